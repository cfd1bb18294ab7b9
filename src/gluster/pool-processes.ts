import { join } from 'node:path';
import { unavailable } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { machine } from '../linux/machine.js';
import type { IoWorkers } from '../linux/io-workers.js';
import { inspectBrick } from './brick-label.js';
import { Daemon } from './daemon.js';
import { isPortFree } from './ports.js';
import { makePrivateDirectory, writePrivateFile } from './private-files.js';
import { spawnDetached } from './processes.js';
import type { RunningProcess } from './running-process.js';
import { spawnWithRunDirectory } from './run-directory.js';
import { tlsArgument } from './tls-argument.js';
import { checkBrickTlsFiles } from './tls-files.js';
import { brickVolfile } from './volfile/brick.js';
import { brickClientVolfiles, clientVolfile, controlVolfile } from './volfile/client.js';
import { numberedBricks } from './volfile/cluster.js';
import type { BrickLocation, PoolLayout } from './volfile/layout.js';
import { quotadVolfile } from './volfile/quotad.js';
import { needsSelfHeal, selfHealVolfile } from './volfile/self-heal.js';

export interface PoolProcessesOptions {
  readonly layout: PoolLayout;
  /** The directory of the pool's files, mode 0700. */
  readonly directory: string;
  readonly io: IoWorkers;
  readonly log: Logger;
  /** Called whenever the process of a brick starts. */
  readonly onBrickStart: (index: number) => void;
  /** The only brick of the pool that is run here; absent: all are. */
  readonly only?: number | undefined;
}

/** The processes that make a managed pool; quotad and self-heal daemon only where the pool needs them. */
export interface PoolProcesses {
  readonly bricks: readonly Daemon[];
  readonly helpers: readonly Daemon[];
}

/** Where the files of a pool are. */
export interface PoolPaths {
  readonly clientVolfile: string;
  readonly controlVolfile: string;
  readonly logs: string;
  /** What the pool's processes find at /var/run/gluster. */
  readonly run: string;
}

export function poolPaths(directory: string): PoolPaths {
  return {
    clientVolfile: join(directory, 'client.vol'),
    controlVolfile: join(directory, 'control.vol'),
    logs: join(directory, 'log'),
    run: join(directory, 'run'),
  };
}

/** Of clients that talk to one brick alone. */
export function brickClientPath(directory: string, index: number): string {
  return join(directory, `brick-client-${index}.vol`);
}

interface ProcessSpec {
  readonly name: string;
  /** Base of its file names. */
  readonly file: string;
  /** A pattern of the names of its connections, without the pool's name. */
  readonly connections: 'server' | 'client-*';
  readonly volfileText: string;
  /** Program and first arguments; those that all processes share follow. */
  readonly program: readonly string[];
  /** Paths that it uses besides the pool's directory. */
  readonly paths: readonly string[];
  readonly prepare?: () => Promise<void>;
  readonly onStart?: () => void;
}

function daemonOf(options: PoolProcessesOptions, spec: ProcessSpec, all: readonly Daemon[]): Daemon {
  const { directory, layout, log } = options;
  const paths = poolPaths(directory);
  const volfile = join(directory, `${spec.file}.vol`);
  const logFile = join(paths.logs, `${spec.file}.log`);
  const launch = (argv: readonly string[]): Promise<RunningProcess> =>
    layout.quota === 'gluster'
      ? spawnWithRunDirectory({
          argv: spec.file === 'self-heal' ? argv : ['nice', '-n', '-10', ...argv],
          runDirectory: paths.run,
          paths: [directory, ...spec.paths],
          mates: all.flatMap(({ pid }) => (pid === undefined ? [] : [pid])),
        })
      : spawnDetached(argv);
  return new Daemon({
    name: `pool ${layout.pool}, ${spec.name}`,
    argv: [
      ...spec.program,
      '-N',
      `--volfile-id=${layout.pool}/${spec.file}`,
      ...(layout.tls === undefined ? [] : [tlsArgument(`${layout.pool}-${spec.connections}`)]),
      '--log-level=WARNING',
      `--log-file=${logFile}`,
      '-f',
      volfile,
    ],
    volfile,
    volfileText: spec.volfileText,
    directory,
    logFile,
    pidFile: join(directory, `${spec.file}.pid`),
    log,
    launch,
    prepare: async () => {
      if (layout.tls !== undefined) await checkBrickTlsFiles(layout.pool, layout.tls);
      await spec.prepare?.();
    },
    ...(spec.onStart === undefined ? {} : { onStart: spec.onStart }),
  });
}

/**
 * Before each start: the directory must (still) be that brick, and not the empty one below a disk that is gone; and
 * whoever listens on its port would be taken for it.
 */
async function checkBrick(
  options: PoolProcessesOptions,
  { host, port, path }: BrickLocation,
  index: number,
): Promise<void> {
  const { io, layout } = options;
  if (!(await isPortFree(host, port))) throw unavailable(`its port ${port} is taken by another program`);
  const finding = await inspectBrick(io, layout.pool, path);
  const { kind } = finding;
  if (kind === 'labelled' && finding.label.volumeId === layout.volumeId && finding.label.index === index) return;
  throw unavailable(
    `brick ${path} is not there (${kind === 'unreadable' ? finding.reason : kind}): is its disk mounted?`,
  );
}

function brickSpecs(options: PoolProcessesOptions): ProcessSpec[] {
  const { layout, directory, only } = options;
  const own = numberedBricks(layout).filter(({ index }) => only === undefined || index === only);
  return own.map(({ index, brick }) => ({
    name: `brick ${brick.path}`,
    file: `brick-${index}`,
    connections: 'server',
    volfileText: brickVolfile({ layout, index, markerTimestamp: join(directory, `brick-${index}.marker`) }),
    program: ['glusterfsd', '--process-name', 'brick', '--brick-name', brick.path],
    paths: [brick.path],
    prepare: () => checkBrick(options, brick, index),
    onStart: () => options.onBrickStart(index),
  }));
}

function helperSpecs({ layout, directory }: PoolProcessesOptions): ProcessSpec[] {
  const quotadSocket = join(poolPaths(directory).run, 'quotad.socket');
  return [
    ...(layout.quota === 'gluster'
      ? [
          {
            name: 'quotad',
            file: 'quotad',
            connections: 'client-*' as const,
            volfileText: quotadVolfile(layout),
            program: ['glusterfs', '--process-name', 'quotad'],
            paths: [],
            prepare: () => machine.rm(quotadSocket, { force: true }),
          },
        ]
      : []),
    ...(needsSelfHeal(layout)
      ? [
          {
            name: 'self-heal daemon',
            file: 'self-heal',
            connections: 'client-*' as const,
            volfileText: selfHealVolfile(layout),
            program: ['glusterfs', '--process-name', 'glustershd', '--client-pid=-6'],
            paths: [],
          },
        ]
      : []),
  ];
}

/** Writes the pool's volfiles, and returns its processes, none of them started or adopted yet. */
export async function preparePoolProcesses(options: PoolProcessesOptions): Promise<PoolProcesses> {
  const { layout, directory } = options;
  const paths = poolPaths(directory);
  await makePrivateDirectory(paths.logs);
  if (layout.quota === 'gluster') await makePrivateDirectory(paths.run);
  const bricks = brickSpecs(options);
  const helpers = helperSpecs(options);
  await Promise.all([
    writePrivateFile(paths.clientVolfile, clientVolfile(layout)),
    writePrivateFile(paths.controlVolfile, controlVolfile(layout)),
    ...brickClientVolfiles(layout).map((text, index) => writePrivateFile(brickClientPath(directory, index), text)),
    ...[...bricks, ...helpers].map((spec) => writePrivateFile(join(directory, `${spec.file}.vol`), spec.volfileText)),
  ]);
  const all: Daemon[] = [];
  const add = (spec: ProcessSpec): Daemon => {
    const daemon = daemonOf(options, spec, all);
    all.push(daemon);
    return daemon;
  };
  return { bricks: bricks.map(add), helpers: helpers.map(add) };
}

/** Takes away what only running processes need; identity and logs stay. */
export async function removeRuntimeFiles(layout: PoolLayout, directory: string): Promise<void> {
  const paths = poolPaths(directory);
  const files = [
    ...numberedBricks(layout).flatMap(({ index }) => [`brick-${index}.vol`, `brick-${index}.marker`]),
    'quotad.vol',
    'self-heal.vol',
  ].map((name) => join(directory, name));
  const clients = numberedBricks(layout).map(({ index }) => brickClientPath(directory, index));
  await Promise.all(
    [...files, ...clients, paths.clientVolfile, paths.controlVolfile, paths.run].map((path) =>
      machine.rm(path, { force: true, recursive: true }),
    ),
  );
}
