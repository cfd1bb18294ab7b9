import { readFile, readlink } from 'node:fs/promises';
import { isErrno } from '../base/errors.js';

/** One process among all that ever ran on all machines: pids come back, a pid with its start time and boot does not. */
export interface ProcessIdentity {
  /** /etc/machine-id; '' where there is none, and then it identifies nothing. */
  readonly machineId: string;
  readonly bootId: string;
  /** The pid namespace that `pid` belongs to, as in `pid:[4026531836]`. */
  readonly pidNamespace: string;
  readonly pid: number;
  /** Clock ticks from boot to the start of the process, decimal (proc_pid_stat(5), field 22). */
  readonly startTime: string;
}

interface ProcessStatus {
  readonly state: string;
  readonly startTime: string;
}

/** procfs answers from memory, so that libuv's pool is good enough for it. Undefined: no such process. */
async function readProcessFile(pid: number, file: string): Promise<string | undefined> {
  try {
    return await readFile(`/proc/${pid}/${file}`, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH')) return undefined;
    throw error;
  }
}

async function statusOf(pid: number): Promise<ProcessStatus | undefined> {
  const text = await readProcessFile(pid, 'stat');
  if (text === undefined) return undefined;
  // The second field is the program's name in parentheses and may hold anything, also ") ".
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state] = fields;
  const startTime = fields[19];
  return state === undefined || startTime === undefined ? undefined : { state, startTime };
}

/** Clock ticks from boot to the start of the process, decimal; undefined: no such process. */
export async function startTimeOf(pid: number): Promise<string | undefined> {
  return (await statusOf(pid))?.startTime;
}

/** True when the process that started then is still there and not a zombie; false when `pid` is another one by now. */
export async function isProcessAlive(pid: number, startTime: string): Promise<boolean> {
  const status = await statusOf(pid);
  return status?.startTime === startTime && status.state !== 'Z' && status.state !== 'X';
}

/**
 * The arguments a process was started with; empty for a zombie and for a kernel thread, undefined: no such process.
 * The kernel reads them from the process's memory: don't ask for a process that may hang in a page fault on a dead mount.
 */
export async function commandLine(pid: number): Promise<string[] | undefined> {
  const text = await readProcessFile(pid, 'cmdline');
  if (text === undefined) return undefined;
  return text === '' ? [] : text.replace(/\0$/, '').split('\0');
}

/** The random id of this boot (random(4)). */
export async function bootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}

async function readMachineId(file: string): Promise<string | undefined> {
  try {
    const id = (await readFile(file, 'utf8')).trim();
    return id === '' || id === 'uninitialized' ? undefined : id;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'EPERM')) return undefined;
    throw error;
  }
}

/**
 * The id of this machine (machine-id(5)): of this root, or, in a container with the host's pids and no id of its own, of
 * the host. Undefined where both files are missing or empty.
 */
export async function machineId(): Promise<string | undefined> {
  return (await readMachineId('/etc/machine-id')) ?? readMachineId('/proc/1/root/etc/machine-id');
}

/** The pid namespace of this process, as in `pid:[4026531836]` (namespaces(7)). */
export async function pidNamespace(): Promise<string> {
  return readlink('/proc/self/ns/pid');
}

/** Who this process is. */
export async function ownIdentity(): Promise<ProcessIdentity> {
  const startTime = await startTimeOf(process.pid);
  if (startTime === undefined) throw new Error('/proc is not that of this pid namespace');
  return {
    machineId: (await machineId()) ?? '',
    bootId: await bootId(),
    pidNamespace: await pidNamespace(),
    pid: process.pid,
    startTime,
  };
}
