import { readFileSync, writeFileSync } from 'node:fs';
import { isErrno } from '../base/errors.js';
import type { SystemCalls } from './sys.js';

/** The number of fault points still to pass; undefined: not armed. */
function remaining(file: string): number | undefined {
  try {
    const text = readFileSync(file, 'utf8').trim();
    return text === '' ? undefined : Number(text);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/**
 * Puts a fault point before and one after every state-changing system call. Each reads a count from `file`, writes it
 * back less one, and at 0 kills the whole process as `kill -9` would; a missing or empty file lets everything pass.
 * For tests that stop Kayal between any two steps.
 */
export function addFaultPoints(table: SystemCalls, file: string): void {
  const pass = (): void => {
    const count = remaining(file);
    if (count === undefined) return;
    writeFileSync(file, String(count - 1));
    if (count <= 1) process.kill(process.pid, 'SIGKILL');
  };
  const calls = Object.entries(table) as [string, (...values: unknown[]) => unknown][];
  const wrapped = calls.map(([name, original]) => [
    name,
    (...values: unknown[]): unknown => {
      pass();
      const result = original(...values);
      pass();
      return result;
    },
  ]);
  Object.assign(table, Object.fromEntries(wrapped));
}
