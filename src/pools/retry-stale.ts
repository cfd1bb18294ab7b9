import { setTimeout as delay } from 'node:timers/promises';
import { isErrno } from '../base/errors.js';

/** GlusterFS' md-cache and FUSE's entry-timeout remember a name for 1 s each, one after the other at worst. */
const PATIENCE_MS = 2_500;
const PAUSE_MS = 100;

/**
 * Repeats a read of a file that another client may have replaced or removed. A GlusterFS client that has looked at it
 * within the last second finds the old file by its name then, and opening that says ESTALE, also after the kernel's own
 * second look-up, which md-cache answers (measured on 10.3: until 950 ms after the first look).
 */
export async function retryStale<T>(read: () => Promise<T>): Promise<T> {
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await read();
    } catch (error) {
      if (!isErrno(error, 'ESTALE') || performance.now() > until) throw error;
      await delay(PAUSE_MS);
    }
  }
}
