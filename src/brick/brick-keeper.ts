import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { IoWorkers } from '../linux/io-workers.js';
import { readBrickFile } from './brick-file.js';
import { BrickServer } from './brick-server.js';

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 15_000;

export interface BrickKeeperOptions {
  readonly poolFile: string;
  readonly index: number;
  readonly device?: string | undefined;
  readonly stateDir: string;
  readonly io: IoWorkers;
  readonly log: Logger;
}

/**
 * Tries to start the brick until it starts: a disk may come late, and what keeps it from starting is told where whoever can
 * mend it looks, which the end of the process is not.
 */
export class BrickKeeper {
  readonly #options: BrickKeeperOptions;
  readonly #abort = new AbortController();
  readonly #done: Promise<void>;
  #server: BrickServer | undefined;
  #pool: string | undefined;
  #problem = 'it is being started';

  constructor(options: BrickKeeperOptions) {
    this.#options = options;
    this.#done = this.#run();
  }

  /** The brick, once it was started; it may be down all the same. */
  get server(): BrickServer | undefined {
    return this.#server;
  }

  /** Name of the pool; undefined until it was read. */
  get pool(): string | undefined {
    return this.#pool;
  }

  /** Why the brick does not serve; undefined when it does. */
  problem(): string | undefined {
    return this.#server === undefined ? this.#problem : this.#server.problem();
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    const { log } = this.#options;
    for (let pause = FIRST_RETRY_MS; !signal.aborted; pause = Math.min(pause * 2, LAST_RETRY_MS)) {
      try {
        this.#server = await this.#start();
        log.info({ path: this.#server.path }, 'the brick runs');
        return;
      } catch (error) {
        const problem = messageOf(error);
        if (problem !== this.#problem) log.error({ reason: problem }, 'the brick does not start');
        this.#problem = problem;
        await sleep(pause, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  async #start(): Promise<BrickServer> {
    const { poolFile, index, device, stateDir, io, log } = this.#options;
    const { config, make } = await readBrickFile(poolFile);
    this.#pool = config.name;
    const directory = join(stateDir, `${config.name}-${index}`);
    return BrickServer.start({ config, index, device, mayMake: make.has(index), directory, io, log });
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#done;
    await this.#server?.stop();
  }
}
