import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CsiClient } from './csi-client.js';
import type { Driver } from './driver.js';
import { startOpen, type OpenDriverOptions } from './open-driver.js';
import { sleep, waitFor } from './wait.js';

/** More than any call has. */
const UNREACHABLE = 1_000_000;
/** A process that has killed itself is gone by then. */
const DYING_MS = 5_000;

export interface KilledCall {
  readonly call: () => Promise<unknown>;
  /** After each kill and restart: finishes what was cut off, looks at it, and leaves all as it was before the call. */
  readonly check: () => Promise<void>;
  /** How many points to visit at the most, spread over all that the call has; default: all of them. */
  readonly most?: number | undefined;
}

/**
 * A driver that kills itself (kill -9) before or after the n-th system call that changes something: see
 * src/linux/fault-points.ts. What it started (bricks, clients) goes on, and the next one adopts it.
 */
export class KillableDriver {
  readonly #options: OpenDriverOptions;
  readonly #faults: string;
  #driver: Driver;

  private constructor(options: OpenDriverOptions, faults: string, driver: Driver) {
    this.#options = options;
    this.#faults = faults;
    this.#driver = driver;
  }

  /** Starts the driver and waits until it manages all of its pools. */
  static async start(options: OpenDriverOptions): Promise<KillableDriver> {
    const faults = join(options.directory, 'faults');
    const all = { logLevel: 'info', ...options, env: { ...options.env, KAYAL_FAULT_POINTS: faults } };
    return new KillableDriver(all, faults, await startOpen(all));
  }

  /** The one that runs now. */
  get driver(): Driver {
    return this.#driver;
  }

  get client(): CsiClient {
    return this.#driver.client;
  }

  async restart(): Promise<void> {
    await this.#driver.kill();
    // Its last threads may have counted on until then.
    await writeFile(this.#faults, '');
    this.#driver = await startOpen(this.#options);
  }

  /**
   * Runs `call` with a kill at the n-th point from now on, and starts the driver again.
   * @returns false when the call ended before that point, and nothing was killed
   * @throws Error when it failed without having been killed
   */
  async killedAt(n: number, call: () => Promise<unknown>): Promise<boolean> {
    await writeFile(this.#faults, String(n));
    const answered = await call().then(
      () => true,
      () => false,
    );
    const left = await this.#remaining();
    await this.#disarm();
    // What goes on in the background (a purge) may come to the point after the call was answered.
    if (left > 0 && (await this.#lives())) {
      if (answered) return false;
      throw new Error(`the call failed without a kill (point ${n}, left ${left})`);
    }
    await this.restart();
    return true;
  }

  /**
   * Kills a call at one point after the other. The state after one system call is that before the next: of each call but
   * the last only the point before it is visited.
   * @returns the points that were visited, and how many the call has
   */
  async killEverywhere({ call, check, most = UNREACHABLE }: KilledCall): Promise<{ visited: number; all: number }> {
    const first = await this.#count(call);
    await check();
    // A renewal of the lease may have come in between.
    const all = Math.min(first, await this.#count(call));
    await check();
    const step = 2 * Math.max(1, Math.ceil(all / 2 / most));
    let visited = 0;
    let n = 1;
    for (; await this.killedAt(n, call); n += step) {
      visited++;
      await check();
    }
    await check();
    // The last point: all is done, and nobody was told.
    if (await this.killedAt(step === 2 ? n - 1 : all, call)) visited++;
    await check();
    return { visited, all };
  }

  /** Ends the driver as kubelet would. */
  async stop(): Promise<void> {
    await this.#driver.stop();
  }

  /** The points that a call passes, with those of what it starts in the background and is done by the answer. */
  async #count(call: () => Promise<unknown>): Promise<number> {
    await writeFile(this.#faults, String(UNREACHABLE));
    await call();
    const all = UNREACHABLE - (await this.#remaining());
    await this.#disarm();
    return all;
  }

  /** What is left to count; the driver's threads truncate the file and write it again, also while it purges. */
  async #remaining(): Promise<number> {
    return waitFor('a number in the file of fault points', async () => {
      const text = await readFile(this.#faults, 'utf8');
      if (text !== '') return Number(text);
      // One thread killed the process while another one was writing.
      return this.#driver.isRunning ? undefined : 0;
    });
  }

  /** False for a process that one thread has killed while another one counted on, once its end is known here. */
  async #lives(): Promise<boolean> {
    const lives = await this.client.identity.Probe({}).then(
      () => true,
      () => false,
    );
    if (lives) return true;
    const until = performance.now() + DYING_MS;
    while (this.#driver.isRunning && performance.now() < until) await sleep(10);
    return false;
  }

  /** A thread that is just counting may write its number once more. */
  async #disarm(): Promise<void> {
    do {
      await writeFile(this.#faults, '');
      await sleep(50);
    } while ((await readFile(this.#faults, 'utf8')) !== '');
  }
}
