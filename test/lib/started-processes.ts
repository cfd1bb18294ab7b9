import { readdir, readFile } from 'node:fs/promises';

/** What tells whether a process has started others meanwhile: two that are equal say that it has not. */
export interface StartedProcesses {
  /** Those that are there, also as zombies. */
  readonly children: readonly number[];
  /**
   * Minor page faults of all its children that have ended and were waited for, and of theirs (cminflt, proc_pid_stat(5)):
   * no program starts without any. Threads are not children.
   */
  readonly faultsOfEnded: number;
}

/** @throws Error when there is no such process */
export async function startedProcesses(pid: number): Promise<StartedProcesses> {
  const children: number[] = [];
  for (const thread of await readdir(`/proc/${pid}/task`)) {
    // A thread may end while it is looked at; its children are then another thread's.
    const text = await readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => '');
    children.push(...text.split(' ').filter(Boolean).map(Number));
  }
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The name, in brackets, may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { children: children.sort((a, b) => a - b), faultsOfEnded: Number(fields[8]) };
}
