import { aborted } from '../base/errors.js';
import type { KeyLock } from '../base/key-lock.js';

export function volumeKey(handle: string): string {
  return `volume ${handle}`;
}

export function targetKey(target: string): string {
  return `target ${target}`;
}

/**
 * Runs work while all keys are held.
 * @throws KayalError ABORTED at once when one of them is held already: the CO retries (CSI spec, "Error Scheme")
 */
export async function whileLocked<T>(
  locks: KeyLock,
  keys: readonly string[],
  what: string,
  work: () => Promise<T>,
): Promise<T> {
  const release = locks.tryAcquire(...keys);
  if (release === undefined) throw aborted(`another operation on ${what} is pending: retry`);
  try {
    return await work();
  } finally {
    release();
  }
}
