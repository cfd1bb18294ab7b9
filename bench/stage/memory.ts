import { readFile } from 'node:fs/promises';

/** Resident memory of a process, in MiB (proc_pid_status(5), VmRSS). */
export async function residentMiB(pid: number): Promise<number> {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1];
  if (kib === undefined) throw new Error(`process ${pid} has no memory: it has ended`);
  return Number(kib) / 1024;
}
