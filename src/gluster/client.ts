import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { failedPrecondition, messageOf, unavailable } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { IoWorkers } from '../linux/io-workers.js';
import { unmount } from '../linux/mount.js';
import { parseMountinfo, readMountinfo, topMount } from '../linux/mountinfo.js';
import type { MountEntry } from '../linux/mountinfo.js';
import { Tree } from '../linux/tree.js';
import { BESIDE, type ClientHost } from './client-host.js';
import { clientArguments, isClientOfOtherTransport, isSameClient } from './client-process.js';
import type { ClientCommand, ClientSource } from './client-process.js';
import { reasonFromLog } from './log-tail.js';
import { readPidFile, removePidFile, writePidFile } from './pid-file.js';
import { limitLog, makePrivateDirectory, preparePrivateLog } from './private-files.js';
import { findGlusterProcess } from './processes.js';
import type { FoundProcess } from './processes.js';
import { RunningProcess } from './running-process.js';
import type { ProcessId } from './running-process.js';

export type { ClientSource } from './client-process.js';

export interface ClientOptions {
  /** The pool's name. */
  readonly name: string;
  /** An existing directory. */
  readonly mountPoint: string;
  readonly source: ClientSource;
  /** Options of glusterfs(8) that checkClientOptions has accepted. */
  readonly options: Readonly<Record<string, string>>;
  /** A negative client-pid: such a mount may set quota limits. */
  readonly control: boolean;
  /** Mode 0700: log and pid file. */
  readonly directory: string;
  readonly log: Logger;
  readonly io: IoWorkers;
  /** Where its process runs; default: beside us. */
  readonly host?: ClientHost | undefined;
  /** Runs before a new client is started, not before a running one is adopted; what it throws is why there is none. */
  readonly prepare?: (() => Promise<void>) | undefined;
  /** How long a new client may take until its mount answers; default 20_000 ms. */
  readonly timeoutMs?: number;
}

/** FUSE_SUPER_MAGIC (statfs(2)). */
const FUSE_MAGIC = 0x65_73_55_46;
/** Of every mount of a client, in mountinfo. */
export const CLIENT_FS_TYPE = 'fuse.glusterfs';
const STATFS_DEADLINE_MS = 2_000;

function paths(directory: string): { readonly logFile: string; readonly pidFile: string } {
  return { logFile: join(directory, 'client.log'), pidFile: join(directory, 'client.pid') };
}

async function mountAt(mountPoint: string): Promise<MountEntry | undefined> {
  return topMount(await readMountinfo(), mountPoint);
}

async function findRunning({ directory }: ClientOptions, command: ClientCommand): Promise<FoundProcess | undefined> {
  return findGlusterProcess({
    recordedPid: (await readPidFile(paths(directory).pidFile))?.pid,
    directory,
    matches: (argv) => isSameClient(argv, command),
  });
}

/** Its volumes are dead from then on, and healing gives them the new client. */
async function endClientOfOtherTransport(options: ClientOptions, command: ClientCommand): Promise<void> {
  const { directory, log, name } = options;
  const found = await findGlusterProcess({
    recordedPid: (await readPidFile(paths(directory).pidFile))?.pid,
    directory,
    matches: (argv) => isClientOfOtherTransport(argv, command),
  });
  if (found === undefined) return;
  log.warn({ pid: found.pid }, `pool ${name}: TLS was switched on or off: its client is ended, a new one is started`);
  await RunningProcess.adopt(found).end();
}

/** Takes every GlusterFS mount off the mount point, so that the new one does not lie on top of a dead one. */
async function clearMountPoint({ io, name, mountPoint }: ClientOptions): Promise<void> {
  for (;;) {
    const entry = await mountAt(mountPoint);
    if (entry === undefined) return;
    if (entry.fsType !== CLIENT_FS_TYPE) {
      throw failedPrecondition(`pool ${name}: ${mountPoint} is the mount point of something else (${entry.fsType})`);
    }
    await unmount(io, name, mountPoint, { detach: true });
  }
}

/** True when the client's own mount namespace has its mount. */
async function hasMounted(pid: number, mountPoint: string): Promise<boolean> {
  const text = await readFile(`/proc/${pid}/mountinfo`, 'utf8').catch(() => '');
  return topMount(parseMountinfo(text), mountPoint)?.fsType === CLIENT_FS_TYPE;
}

/**
 * undefined: the mount answers; otherwise why it does not yet.
 * @throws KayalError FAILED_PRECONDITION when it never will
 */
async function whyNotReady({ io, name, mountPoint }: ClientOptions, pid: number): Promise<string | undefined> {
  const isHere = async (): Promise<boolean> => (await mountAt(mountPoint))?.fsType === CLIENT_FS_TYPE;
  if (!(await isHere())) {
    // mount(2) returns when the mount has propagated; between two looks one may come, or go with a client that gives up.
    const isElsewhere = (await hasMounted(pid, mountPoint)) && !(await isHere()) && (await hasMounted(pid, mountPoint));
    if (!isElsewhere) return 'it did not mount';
    throw failedPrecondition(
      `pool ${name}: the mount of its client (process ${pid}) at ${mountPoint} is not seen here: both containers need mountPropagation: Bidirectional there`,
    );
  }
  try {
    const tree = await Tree.open(io, name, mountPoint, { deadlineMs: STATFS_DEADLINE_MS });
    try {
      const { fsType } = await tree.statfs('', { deadlineMs: STATFS_DEADLINE_MS });
      return fsType === FUSE_MAGIC ? undefined : 'it did not mount';
    } finally {
      await tree.close();
    }
  } catch (error) {
    return messageOf(error);
  }
}

/** One FUSE mount of a pool; its process outlives this one. */
export class GlusterClient {
  readonly #options: ClientOptions;
  readonly #process: RunningProcess;

  private constructor(options: ClientOptions, process: RunningProcess) {
    this.#options = options;
    this.#process = process;
    void process.ended.then(limitLog(paths(options.directory).logFile));
  }

  get pid(): number {
    return this.#process.pid;
  }

  get process(): ProcessId {
    const { pid, startTime } = this.#process;
    return { pid, startTime };
  }

  /**
   * Adopts the running client of this mount point, or mounts: then it returns when the mount answers.
   * @throws KayalError UNAVAILABLE with the reason from the client's log, FAILED_PRECONDITION when something else is
   *   mounted there or glusterfs is not installed
   */
  static async start(options: ClientOptions): Promise<GlusterClient> {
    const { directory, host = BESIDE, mountPoint, name, log, source } = options;
    const { logFile, pidFile } = paths(directory);
    const command: ClientCommand = { ...options, logFile };
    if (`${directory}/`.startsWith(`${mountPoint}/`)) {
      // The client would wait for itself when it opens its log.
      throw failedPrecondition(`pool ${name}: ${directory} must not lie below the mount point ${mountPoint}`);
    }
    await makePrivateDirectory(directory);
    const running = await findRunning(options, command);
    if (running !== undefined && (await mountAt(mountPoint))?.fsType === CLIENT_FS_TYPE) {
      await writePidFile(pidFile, running);
      await host.adopt(running);
      log.info({ pid: running.pid }, `pool ${name}: client adopted`);
      return new GlusterClient(options, RunningProcess.adopt(running));
    }
    await options.prepare?.();
    await endClientOfOtherTransport(options, command);
    await clearMountPoint(options);
    const logged = await preparePrivateLog(logFile);
    const volfile = source.kind === 'volfile' ? [dirname(source.path)] : [];
    const started = await host.launch(clientArguments(command), [directory, dirname(mountPoint), ...volfile]);
    const client = new GlusterClient(options, started);
    try {
      await writePidFile(pidFile, started);
      await client.#awaitReady(logged);
    } catch (error) {
      await client.#end(500);
      throw error;
    }
    log.info({ pid: started.pid }, `pool ${name}: client mounted`);
    return client;
  }

  async #awaitReady(logged: number): Promise<void> {
    const { directory, name, timeoutMs = 20_000 } = this.#options;
    const deadline = performance.now() + timeoutMs;
    let last: string | undefined = 'it did not mount';
    for (let pause = 5; this.#process.alive() && performance.now() < deadline; pause = Math.min(pause * 1.5, 200)) {
      last = await whyNotReady(this.#options, this.pid);
      if (last === undefined) return;
      await sleep(pause);
    }
    const how = this.#process.alive() ? `no answer within ${timeoutMs / 1000} s (${last})` : await this.#process.ended;
    const reason = (await reasonFromLog(paths(directory).logFile, logged)) ?? this.#likelyReason();
    throw unavailable(`pool ${name}: its client does not work: ${reason}; ${how}`);
  }

  /** Of servers that do not answer glusterfs logs nothing above the level INFO. */
  #likelyReason(): string {
    const { source } = this.#options;
    if (this.#process.alive()) return 'its bricks do not answer';
    return source.kind === 'servers'
      ? `none of its servers answers on port 24007 (${source.hosts.join(', ')})`
      : 'its log does not say why';
  }

  alive(): boolean {
    return this.#process.alive();
  }

  onExit(listener: () => void): void {
    void this.#process.ended.then(listener);
  }

  /** Unmounts, and waits for the process to end by itself; where something still holds its mount, it is ended. */
  async stop(): Promise<void> {
    await this.#end(5_000);
  }

  async #end(graceMs: number): Promise<void> {
    const { directory, io, name, mountPoint } = this.#options;
    if ((await mountAt(mountPoint))?.fsType === CLIENT_FS_TYPE) await unmount(io, name, mountPoint, { detach: true });
    if (!(await this.#process.endsWithin(graceMs))) await this.#process.end();
    await removePidFile(paths(directory).pidFile);
  }
}
