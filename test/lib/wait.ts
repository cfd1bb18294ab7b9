import { setTimeout as sleep } from 'node:timers/promises';

export { sleep };

export interface WaitOptions {
  /** Default 60 s: what is waited for may take long on a busy machine, and only a failure waits for all of it. */
  readonly timeoutMs?: number;
  readonly intervalMs?: number;
}

/**
 * Asks until the answer is something.
 * @throws Error that says what was waited for
 */
export async function waitFor<T>(
  what: string,
  ask: () => Promise<T | undefined> | T | undefined,
  options: WaitOptions = {},
): Promise<T> {
  const { timeoutMs = 60_000, intervalMs = 50 } = options;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs / 1000} s in vain for ${what}`);
    await sleep(intervalMs);
  }
}
