import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../../../src/base/errors.js';
import { isProcessAlive, startTimeOf } from '../../../src/linux/process-info.js';
import { driverPaths, type Driver } from '../driver.js';
import { findProcesses } from '../leftovers.js';
import { startOpen, type OpenDriverOptions } from '../open-driver.js';
import { sleep, waitFor } from '../wait.js';
import type { Random } from './random.js';

/**
 * - `driver`: `kayal all`, which is started again after a while
 * - `node client`, `control client`: the GlusterFS client of the pods, and the one of the controller
 * - `brick`: always the same one, so that the two others hold everything
 */
export const VICTIMS = ['driver', 'node client', 'control client', 'brick'] as const;
export type Victim = (typeof VICTIMS)[number];
/** What the driver starts. */
export type Program = Exclude<Victim, 'driver'>;

export interface KillerOptions {
  readonly driver: OpenDriverOptions;
  readonly pool: string;
  /** The directory of the brick that is killed. */
  readonly brick: string;
  readonly random: Random;
}

/** Runs a driver, and kills it and what it started (kill -9). */
export class Killer {
  readonly #options: KillerOptions;
  #driver: Driver;

  private constructor(options: KillerOptions, driver: Driver) {
    this.#options = options;
    this.#driver = driver;
  }

  static async start(options: KillerOptions): Promise<Killer> {
    return new Killer(options, await startOpen(options.driver));
  }

  /** The one that runs now. */
  get driver(): Driver {
    return this.#driver;
  }

  /**
   * Kills, once the victim is there, and returns when a brick or driver was replaced.
   * @param alsoWhileAway what else is killed, if it is there, before the next driver starts
   */
  async kill(victim: Victim, alsoWhileAway?: Program): Promise<void> {
    if (victim === 'driver') {
      await this.#driver.kill();
      if (alsoWhileAway !== undefined) await this.#tryKill(alsoWhileAway);
      await sleep(this.#options.random.below(1_500));
      this.#driver = await startOpen(this.#options.driver);
      return;
    }
    // Clients come and go with what is used of the pool.
    await waitFor(`a ${victim} to kill`, () => this.#tryKill(victim), { timeoutMs: 120_000 });
    if (victim === 'brick') await waitFor('the brick to run again', () => this.#pid(victim));
  }

  /** @returns undefined when there was nothing to kill */
  async #tryKill(victim: Program): Promise<true | undefined> {
    const pid = await this.#pid(victim);
    if (pid === undefined) return undefined;
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if (isErrno(error, 'ESRCH')) return undefined;
      throw error;
    }
    await waitFor(`the end of ${pid}`, async () => ((await startTimeOf(pid)) === undefined ? true : undefined), {
      intervalMs: 5,
    });
    return true;
  }

  async #pid(victim: Program): Promise<number | undefined> {
    const { driver, pool, brick } = this.#options;
    const { kubeletDir, stateDir } = driverPaths(driver.directory);
    switch (victim) {
      case 'node client':
        return clientPid(join(kubeletDir, 'plugins/csi.kayal.storage/pools', pool));
      case 'control client':
        return clientPid(join(stateDir, 'control', pool));
      case 'brick': {
        const isBrick = (command: string): boolean =>
          command.startsWith('glusterfsd ') && command.includes(`--brick-name ${brick} `);
        return (await findProcesses(isBrick))[0]?.pid;
      }
    }
  }
}

async function clientPid(directory: string): Promise<number | undefined> {
  const text = await readFile(join(directory, 'client.pid'), 'utf8').catch(() => '');
  if (text === '') return undefined;
  const { pid, startTime } = JSON.parse(text) as { readonly pid: number; readonly startTime: string };
  return (await isProcessAlive(pid, startTime)) ? pid : undefined;
}
