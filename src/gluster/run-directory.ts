import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, readlink, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { messageOf, unavailable } from '../base/errors.js';
import { parseMountinfo } from '../linux/mountinfo.js';
import type { MountEntry } from '../linux/mountinfo.js';
import { PROGRAM_ENVIRONMENT, spawnDetached } from './processes.js';
import type { RunningProcess } from './processes.js';

const run = promisify(execFile);
const STEP_TIMEOUT_MS = 10_000;

/**
 * Where bricks look for quotad and quotad listens (`quotad.socket`, compiled in: quota-enforcer-client.c,
 * quotad-aggregator.c). A machine has one of it, which may well be glusterd's.
 */
const GLUSTER_RUN_DIRECTORY = '/var/run/gluster';

export interface RunDirectoryOptions {
  readonly argv: readonly string[];
  /** What the process finds at /var/run/gluster: a directory of the pool. */
  readonly runDirectory: string;
  /** Further paths that the process uses; every other mount is taken from it. */
  readonly paths: readonly string[];
}

/** Mounts of the operating system, which every process may need. */
const SYSTEM = ['/proc', '/sys', '/dev', '/etc', '/usr', '/lib', '/lib64', '/bin', '/sbin', '/opt'];

function isInside(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`);
}

/**
 * The mounts that a process which uses `paths` must not hold on to: a private copy of a FUSE mount or of somebody's disk
 * would keep it alive after it was unmounted outside. Outermost ones only, a stacked one as often as it is there.
 */
export function mountsToDrop(entries: readonly MountEntry[], paths: readonly string[]): string[] {
  const dropped = entries
    .map(({ target }) => target)
    .filter((target) => !SYSTEM.some((system) => isInside(target, system)))
    .filter((target) => !paths.some((path) => isInside(path, target)));
  return dropped.filter((target) => !dropped.some((other) => other !== target && isInside(target, other)));
}

async function inNamespace(namespace: string, argv: readonly string[]): Promise<void> {
  await run('nsenter', [`--mount=${namespace}`, '--', ...argv], { env: PROGRAM_ENVIRONMENT, timeout: STEP_TIMEOUT_MS });
}

/**
 * A process (cat) in a mount namespace of its own, which exists as long as somebody is in it: cat ends with the pipe
 * from us, so that nothing stays behind whenever we die. What it echoes says that the namespace is made.
 */
async function openNamespace(): Promise<ChildProcess> {
  const holder = spawn('unshare', ['--mount', '--propagation', 'slave', '--', 'cat'], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: PROGRAM_ENVIRONMENT,
  });
  const { stdin, stdout } = holder;
  const failed = Promise.race([
    once(holder, 'error').then(([error]) => Promise.reject(error as Error)),
    once(holder, 'exit').then(() => Promise.reject(new Error('unshare(1) failed: is this process privileged?'))),
  ]);
  failed.catch(() => undefined);
  stdin?.on('error', () => undefined);
  stdin?.write('\n');
  await Promise.race([failed, stdout === null ? failed : once(stdout, 'data')]);
  return holder;
}

async function waitUntilInside(child: RunningProcess, namespace: string): Promise<void> {
  const wanted = await readlink(namespace);
  while (child.alive()) {
    const actual = await readlink(`/proc/${child.pid}/ns/mnt`).catch(() => undefined);
    if (actual === wanted) return;
    await sleep(1);
  }
}

async function prepareNamespace(namespace: string, pid: number, options: RunDirectoryOptions): Promise<void> {
  await mkdir(GLUSTER_RUN_DIRECTORY, { recursive: true });
  const target = await realpath(GLUSTER_RUN_DIRECTORY);
  const paths = await Promise.all([...options.paths, options.runDirectory].map((path) => realpath(path)));
  const entries = parseMountinfo(await readFile(`/proc/${pid}/mountinfo`, 'utf8'));
  const drop = mountsToDrop(entries, [...paths, target]);
  // --internal-only and --no-canonicalize: umount(8) must not ask a dead mount anything.
  if (drop.length > 0) {
    await inNamespace(namespace, [
      'umount',
      '--lazy',
      '--internal-only',
      '--no-canonicalize',
      '--no-mtab',
      '--',
      ...drop,
    ]);
  }
  await inNamespace(namespace, ['mount', '--no-mtab', '--bind', '--', options.runDirectory, target]);
}

/**
 * Starts a detached process that finds a directory of its pool at /var/run/gluster, in a mount namespace that ends with it.
 * A brick that is restarted thus sees the mounts of that moment, and no namespace has to be looked after.
 * @throws KayalError UNAVAILABLE when the namespace cannot be made, FAILED_PRECONDITION when the program is not installed
 */
export async function spawnWithRunDirectory(options: RunDirectoryOptions): Promise<RunningProcess> {
  let holder: ChildProcess | undefined;
  try {
    holder = await openNamespace();
    const { pid } = holder;
    if (pid === undefined) throw new Error('unshare(1) has no pid');
    const namespace = join('/proc', String(pid), 'ns/mnt');
    await prepareNamespace(namespace, pid, options);
    const child = await spawnDetached(['nsenter', `--mount=${namespace}`, '--', ...options.argv]);
    await waitUntilInside(child, namespace);
    return child;
  } catch (error) {
    throw unavailable(`no mount namespace for ${options.argv[0]}: ${messageOf(error)}`, { cause: error });
  } finally {
    holder?.stdin?.end();
  }
}
