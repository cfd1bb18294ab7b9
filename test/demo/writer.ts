import { stat } from 'node:fs/promises';
import { runCommand } from '../lib/run-command.js';

export interface WriteResult {
  readonly isComplete: boolean;
  /** Size of the file afterwards, in bytes. */
  readonly bytes: number;
  /** dd's own words about what stopped it. */
  readonly complaint: string;
}

/** Appends to a file with dd, a megabyte at a time, flushed at the end; a program of its own, as a pod's would be. */
export async function write(file: string, mebibytes: number): Promise<WriteResult> {
  const { code, stderr } = await runCommand(
    'dd',
    ['if=/dev/urandom', `of=${file}`, 'bs=1M', `count=${mebibytes}`, 'oflag=append', 'conv=notrunc,fsync'],
    { env: { ...process.env, LC_ALL: 'C' }, timeoutMs: 120_000 },
  );
  const complaint = stderr.split('\n').find((line) => line.startsWith('dd: ')) ?? '';
  return { isComplete: code === 0, bytes: (await stat(file)).size, complaint };
}

/** `df` of a path: what a user in the pod sees. */
export async function df(
  path: string,
): Promise<{ readonly size: number; readonly used: number; readonly text: string }> {
  const { stdout } = await runCommand('df', ['-B1', '--output=size,used,avail,pcent', path]);
  const [size = 0, used = 0, available = 0, percent = 0] = (stdout.split('\n')[1] ?? '')
    .trim()
    .split(/\s+/)
    .map(Number.parseFloat);
  const text = `df says ${mib(size)} in all, ${mib(used)} used, ${mib(available)} free (${percent} %)`;
  return { size, used, text };
}

export function mib(bytes: number): string {
  return `${Number((bytes / 1024 / 1024).toFixed(1))} MiB`;
}
