import type { SpawnOptions } from 'node:child_process';
import { readdir, readFile, stat } from 'node:fs/promises';
import { failedPrecondition, isErrno, messageOf, unavailable } from '../base/errors.js';
import { machine } from '../linux/machine.js';
import { commandLine, isProcessAlive, startTimeOf } from '../linux/process-info.js';
import { RunningProcess } from './running-process.js';
import type { ProcessId } from './running-process.js';

/** What every program gets as its environment: nothing of Kayal's own, and messages in English. */
export const PROGRAM_ENVIRONMENT: NodeJS.ProcessEnv = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
};

/**
 * Starts a program that outlives us: a session of its own, none of our files or output.
 * @throws KayalError FAILED_PRECONDITION when it is not installed, UNAVAILABLE when it cannot be started
 */
export async function spawnDetached(argv: readonly string[]): Promise<RunningProcess> {
  const [program = '', ...args] = argv;
  const options: SpawnOptions = { detached: true, stdio: 'ignore', cwd: '/', env: PROGRAM_ENVIRONMENT };
  const child = machine.spawn(program, args, options);
  child.unref();
  try {
    return await RunningProcess.ofChild(child);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) throw failedPrecondition(`${program} is not installed`, { cause: error });
    throw unavailable(`${program} cannot be started: ${messageOf(error)}`, { cause: error });
  }
}

/** Names (`comm`) of processes that may be one of ours; nsenter is what a brick is for a moment before it is a brick. */
const OUR_PROGRAMS = new Set(['glusterfs', 'glusterfsd', 'nsenter', 'nice']);

async function isOurProgram(pid: number): Promise<boolean> {
  try {
    // Unlike cmdline, comm does not need the memory of a process that may hang.
    return OUR_PROGRAMS.has((await readFile(`/proc/${pid}/comm`, 'utf8')).trim());
  } catch {
    return false;
  }
}

/** A GlusterFS process of this machine. */
export interface FoundProcess extends ProcessId {
  readonly argv: readonly string[];
}

/** A live GlusterFS process with this pid; undefined: there is none. */
async function inspectGlusterProcess(pid: number): Promise<FoundProcess | undefined> {
  if (!(await isOurProgram(pid))) return undefined;
  const startTime = await startTimeOf(pid);
  const argv = await commandLine(pid);
  if (startTime === undefined || argv === undefined || argv.length === 0) return undefined;
  return (await isProcessAlive(pid, startTime)) ? { pid, startTime, argv } : undefined;
}

/** All GlusterFS processes that /proc shows. */
export async function listGlusterProcesses(): Promise<FoundProcess[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(pids.map(inspectGlusterProcess));
  return found.filter((entry) => entry !== undefined);
}

/** True when both paths lead to one directory. */
export async function isSameDirectory(a: string, b: string): Promise<boolean> {
  try {
    const [one, other] = await Promise.all([stat(a), stat(b)]);
    return one.dev === other.dev && one.ino === other.ino;
  } catch {
    return false;
  }
}

/** True when `path` means the same directory to that process as to us: with hostPID, /proc shows other containers' too. */
export function seesSameDirectory(pid: number, path: string): Promise<boolean> {
  return isSameDirectory(path, `/proc/${pid}/root${path}`);
}

export interface ProcessSearch {
  /** Looked at first; the others only when it is none of ours. */
  readonly recordedPid: number | undefined;
  /** A directory that the process must see as we do. */
  readonly directory: string;
  readonly matches: (argv: readonly string[]) => boolean;
}

/** The process that an earlier driver started; a driver that died before it wrote a pid file left it unrecorded. */
export async function findGlusterProcess(search: ProcessSearch): Promise<FoundProcess | undefined> {
  const { recordedPid, directory, matches } = search;
  const isIt = async (found: FoundProcess): Promise<boolean> =>
    matches(found.argv) && (await seesSameDirectory(found.pid, directory));
  const recorded = recordedPid === undefined ? undefined : await inspectGlusterProcess(recordedPid);
  if (recorded !== undefined && (await isIt(recorded))) return recorded;
  for (const found of await listGlusterProcesses()) if (await isIt(found)) return found;
  return undefined;
}
