import { join } from 'node:path';
import type { CsiClient } from './csi-client.js';
import type { Driver } from './driver.js';
import { FaultFile } from './fault-file.js';
import { Invariants } from './invariants.js';
import { killEverywhere, type KilledCall, type Victim, type Visited } from './kill-everywhere.js';
import { startOpen, type OpenDriverOptions } from './open-driver.js';
import { retried } from './requests.js';

/**
 * A driver that kills itself (kill -9) before or after any call that changes something: see src/linux/fault-points.ts. What
 * it started (bricks, clients) goes on, and the next one adopts it.
 */
export class KillableDriver implements Victim {
  readonly faults: FaultFile;
  readonly #options: OpenDriverOptions;
  readonly #invariants: Invariants;
  #driver: Driver;

  private constructor(options: OpenDriverOptions, faults: FaultFile, driver: Driver) {
    this.#options = options;
    this.faults = faults;
    this.#invariants = new Invariants(options);
    this.#driver = driver;
  }

  /** Starts the driver and waits until it manages all of its pools. */
  static async start(options: OpenDriverOptions): Promise<KillableDriver> {
    const faults = new FaultFile(join(options.directory, 'faults'));
    const all = {
      logLevel: 'info',
      metricsAddress: '127.0.0.1:0',
      ...options,
      env: { ...options.env, ...faults.env },
    };
    return new KillableDriver(all, faults, await startOpen(all));
  }

  /** The one that runs now. */
  get driver(): Driver {
    return this.#driver;
  }

  get directory(): string {
    return this.#options.directory;
  }

  get client(): CsiClient {
    return this.#driver.client;
  }

  /** kill -9, and the next one. */
  async restart(): Promise<void> {
    await this.#driver.kill();
    // Its last threads may have counted on until then.
    await this.faults.disarm();
    await this.startAgain();
  }

  async revive(): Promise<void> {
    await this.restart();
  }

  /** The next one, after the former one has ended; killed while it starts, where that is what is asked for. */
  async startAgain(): Promise<void> {
    this.#driver = await startOpen(this.#options);
  }

  /** Repeats a call as a sidecar would, until the driver is killed: for calls that may answer "retry" as it is. */
  untilKilled<T>(call: () => Promise<T>): Promise<T> {
    return retried(() => {
      if (!this.#driver.isRunning) throw new Error('it was killed');
      return call();
    });
  }

  /** See kill-everywhere.ts. */
  async killEverywhere(killed: KilledCall): Promise<Visited> {
    return killEverywhere(this, killed);
  }

  expectInvariants(look: 'first' | 'again'): Promise<void> {
    return this.#invariants.expect(look);
  }

  /** Ends the driver as kubelet would. */
  async stop(): Promise<void> {
    await this.#driver.stop();
    await this.#invariants.close();
  }
}
