import { driverPaths } from '../driver.js';
import { sleep } from '../wait.js';
import type { Killer, Program, Victim } from './killer.js';
import { LoadClient } from './load-client.js';
import { PodErrors } from './pod-files.js';
import { Random } from './random.js';
import { Answers, Sidecar } from './sidecar.js';
import { Told } from './told.js';

/** More of them say nothing new. */
const MOST_FAILURES = 20;

/** One kill. */
export interface Strike {
  readonly victim: Victim;
  /** Killed as well before the next driver starts. */
  readonly alsoWhileAway?: Program | undefined;
}

export interface LoadRunOptions {
  /** Of the driver. */
  readonly directory: string;
  readonly killer: Killer;
  /** How many volumes live at the least, clones not counted. */
  readonly volumes: number;
  /** How many at a time. */
  readonly clients: number;
  /** Spread evenly over the run, in an order that depends on the seed. */
  readonly strikes: readonly Strike[];
  readonly seed: number;
}

/** Volumes that live and die while what serves them is killed. */
export class LoadRun {
  readonly told = new Told();
  readonly answers = new Answers();
  readonly podErrors = new PodErrors();
  /** What was not to be expected; a run that went well has none. */
  readonly failures: string[] = [];
  readonly #options: LoadRunOptions;
  readonly #random: Random;
  #begun = 0;
  #ended = 0;
  #struck = 0;

  constructor(options: LoadRunOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
  }

  /** How many volumes have lived, clones not counted. */
  get volumes(): number {
    return this.#ended;
  }

  /** Ends when every client is done and every kill was done under load. */
  async live(): Promise<void> {
    const { clients } = this.#options;
    await Promise.all([
      this.#strike(),
      ...Array.from({ length: clients }, () => this.#client((client) => this.#liveOn(client))),
    ]);
  }

  /** Every volume that is left is used once more by a pod, all clients at it. */
  async readAll(): Promise<void> {
    await this.#eachOf([...this.told.volumes.keys()], (client, id) => client.read(id));
  }

  /** Everything that is left is deleted, all clients at it. */
  async deleteAll(): Promise<void> {
    await this.#eachOf([...this.told.volumes.keys()], (client, id) => client.delete(id));
    await this.#eachOf([...this.told.snapshots.keys()], (client, id) => client.deleteSnapshot(id));
  }

  async #eachOf(ids: readonly string[], work: (client: LoadClient, id: string) => Promise<void>): Promise<void> {
    const queue = ids.values();
    const lane = (): Promise<void> =>
      this.#client(async (client) => {
        for (const id of queue) await this.#noting(() => work(client, id));
      });
    await Promise.all(Array.from({ length: this.#options.clients }, lane));
  }

  async #client(work: (client: LoadClient) => Promise<void>): Promise<void> {
    const { directory } = this.#options;
    const random = new Random(this.#random.below(2 ** 32));
    const sidecar = new Sidecar(`unix://${driverPaths(directory).socket}`, this.answers, random);
    const { told, podErrors } = this;
    try {
      await work(new LoadClient({ directory, sidecar, random, told, podErrors }));
    } finally {
      sidecar.close();
    }
  }

  async #liveOn(client: LoadClient): Promise<void> {
    const { volumes, strikes } = this.#options;
    // The last kill happens under load, too.
    while (this.#begun < volumes || this.#struck < strikes.length) {
      if (this.failures.length >= MOST_FAILURES) return;
      const id = `v${++this.#begun}`;
      await this.#noting(() => client.live(id));
      this.#ended++;
    }
  }

  async #noting(work: () => Promise<void>): Promise<void> {
    if (this.failures.length >= MOST_FAILURES) return;
    try {
      await work();
    } catch (error) {
      this.failures.push(String(error));
    }
  }

  async #strike(): Promise<void> {
    const { killer, strikes, volumes } = this.#options;
    for (const [index, { victim, alsoWhileAway }] of this.#random.shuffled(strikes).entries()) {
      const due = (volumes * (index + 1)) / (strikes.length + 1);
      while (this.#ended < due && this.failures.length < MOST_FAILURES) await sleep(20);
      await sleep(this.#random.below(300));
      await killer.kill(victim, alsoWhileAway);
      this.#struck++;
    }
  }
}
