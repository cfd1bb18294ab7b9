import { sleep } from '../../lib/wait.js';

const STUCK_MS = 60_000;
const INTERVAL_MS = 1_000;

/**
 * Waits for what takes as long as there is much of it and the machine is busy.
 * @param remaining how much there is left to do; nothing more when it is 0
 * @throws Error when a minute passes in which that does not change
 */
export async function waitWhileGoingOn(what: string, remaining: () => Promise<number>): Promise<void> {
  let last = Number.NaN;
  let since = performance.now();
  for (;;) {
    const left = await remaining();
    if (left === 0) return;
    if (left !== last) since = performance.now();
    last = left;
    if (performance.now() - since > STUCK_MS) throw new Error(`${what}: ${left} left, and nothing happens`);
    await sleep(INTERVAL_MS);
  }
}
