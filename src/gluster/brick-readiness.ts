import { setTimeout as sleep } from 'node:timers/promises';
import type { Daemon } from './daemon.js';
import { isListening } from './ports.js';
import type { BrickLocation } from './volfile/layout.js';

/** How long a brick may take until it listens. */
const BRICK_START_MS = 20_000;

/** Which bricks have been seen to accept connections since their process started. */
export class BrickReadiness {
  readonly #ready = new Set<Daemon>();

  isReady(daemon: Daemon): boolean {
    return daemon.pid !== undefined && this.#ready.has(daemon);
  }

  /** Waits until the brick's process listens; false when it ends meanwhile (its next start is another wait) or takes too long. */
  async wait(daemon: Daemon, { host, port }: BrickLocation): Promise<boolean> {
    const { pid } = daemon;
    this.#ready.delete(daemon);
    if (pid === undefined) return false;
    const deadline = performance.now() + BRICK_START_MS;
    for (let pause = 5; daemon.pid === pid && performance.now() < deadline; pause = Math.min(pause * 2, 100)) {
      if ((await isListening(host, port)) && daemon.pid === pid) {
        this.#ready.add(daemon);
        return true;
      }
      await sleep(pause);
    }
    return false;
  }
}
