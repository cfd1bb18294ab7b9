import type { ChildProcess } from 'node:child_process';
import { readFile, readlink, realpath } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, unavailable } from '../base/errors.js';
import { machine } from '../linux/machine.js';
import { parseMountinfo } from '../linux/mountinfo.js';
import type { MountEntry } from '../linux/mountinfo.js';
import { isSameDirectory, PROGRAM_ENVIRONMENT, seesSameDirectory, spawnDetached } from './processes.js';
import type { RunningProcess } from './running-process.js';

const STEP_TIMEOUT_MS = 10_000;
/** Mounts come and go on a busy node, but not between each two looks at them. */
const DROP_TRIES = 5;

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
  /** Processes whose namespace serves too, when they find all of this in it: that spares four program starts. */
  readonly mates: readonly number[];
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

function namespaceOf(pid: number): string {
  return `/proc/${pid}/ns/mnt`;
}

/** nsenter(1) into the mounts of a process; setns(2) alone would leave a chroot behind, if that process is in one. */
function entering(pid: number, argv: readonly string[]): string[] {
  const root = `/proc/${pid}/root`;
  return ['nsenter', `--mount=${namespaceOf(pid)}`, `--root=${root}`, `--wd=${root}`, '--', ...argv];
}

async function inNamespace(pid: number, argv: readonly string[]): Promise<void> {
  const [program = '', ...args] = entering(pid, argv);
  await machine.execFile(program, args, {
    env: PROGRAM_ENVIRONMENT,
    timeout: STEP_TIMEOUT_MS,
  });
}

/**
 * A process (cat) in a mount namespace of its own, which exists as long as somebody is in it: cat ends with the pipe
 * from us, so that nothing stays behind whenever we die. What it echoes says that the namespace is made.
 */
async function openNamespace(): Promise<ChildProcess> {
  const holder = machine.spawn('unshare', ['--mount', '--propagation', 'slave', '--', 'cat'], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: PROGRAM_ENVIRONMENT,
  });
  const { stdin, stdout, stderr } = holder;
  let complaint = '';
  stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text));
  // It may have ended; then its exit says more.
  stdin.on('error', () => undefined);
  stdin.write('\n');
  await new Promise<void>((resolve, reject) => {
    stdout.once('data', () => resolve());
    holder.once('error', reject);
    holder.once('close', () => reject(new Error(complaint.trim() || 'unshare(1) failed')));
  });
  return holder;
}

/** Until then the namespace would end with its holder. */
async function waitUntilInside(child: RunningProcess, holder: number): Promise<void> {
  const wanted = await readlink(namespaceOf(holder));
  while (child.alive()) {
    const actual = await readlink(namespaceOf(child.pid)).catch(() => undefined);
    if (actual === wanted) return;
    await sleep(1);
  }
}

/** A mount may be gone by the time that umount(8) comes to it, which then fails: what is left is tried again. */
async function dropMounts(pid: number, needed: readonly string[]): Promise<void> {
  for (let tries = 1; ; tries++) {
    const drop = mountsToDrop(parseMountinfo(await readFile(`/proc/${pid}/mountinfo`, 'utf8')), needed);
    if (drop.length === 0) return;
    try {
      // --internal-only and --no-canonicalize: umount(8) must not ask a dead mount anything.
      await inNamespace(pid, ['umount', '--lazy', '--internal-only', '--no-canonicalize', '--no-mtab', '--', ...drop]);
      return;
    } catch (error) {
      if (tries === DROP_TRIES) throw error;
    }
  }
}

async function prepareNamespace(pid: number, options: RunDirectoryOptions): Promise<void> {
  await machine.mkdir(GLUSTER_RUN_DIRECTORY, { recursive: true });
  const target = await realpath(GLUSTER_RUN_DIRECTORY);
  const paths = await Promise.all([...options.paths, options.runDirectory].map((path) => realpath(path)));
  await dropMounts(pid, [...paths, target]);
  await inNamespace(pid, ['mount', '--no-mtab', '--bind', '--', options.runDirectory, target]);
}

async function isPrepared(pid: number, { runDirectory, paths }: RunDirectoryOptions): Promise<boolean> {
  const checks = await Promise.all([
    isSameDirectory(runDirectory, `/proc/${pid}/root${GLUSTER_RUN_DIRECTORY}`),
    ...paths.map((path) => seesSameDirectory(pid, path)),
  ]);
  return checks.every(Boolean);
}

function spawnIn(pid: number, argv: readonly string[]): Promise<RunningProcess> {
  return spawnDetached(entering(pid, argv));
}

async function spawnInNew(options: RunDirectoryOptions): Promise<RunningProcess> {
  const holder = await openNamespace();
  try {
    const { pid } = holder;
    if (pid === undefined) throw new Error('unshare(1) has no pid');
    await prepareNamespace(pid, options);
    const child = await spawnIn(pid, options.argv);
    await waitUntilInside(child, pid);
    return child;
  } finally {
    holder.stdin?.end();
  }
}

/**
 * Starts a detached process that finds a directory of its pool at /var/run/gluster, in a mount namespace that ends with
 * the last process in it, so that no namespace has to be looked after.
 * @throws KayalError UNAVAILABLE when the namespace cannot be made
 */
export async function spawnWithRunDirectory(options: RunDirectoryOptions): Promise<RunningProcess> {
  try {
    for (const mate of options.mates) if (await isPrepared(mate, options)) return await spawnIn(mate, options.argv);
    return await spawnInNew(options);
  } catch (error) {
    throw unavailable(`no mount namespace for ${options.argv[0]}: ${messageOf(error)}`, { cause: error });
  }
}
