import { Worker } from 'node:worker_threads';
import type { Sample } from '../sample.js';

/** What the programs are told; see programs.mjs. */
export type FloorOptions = Readonly<Record<string, unknown>>;

type Answer = { readonly times: readonly number[] } | { readonly error: string };

const SCRIPT = new URL('./thread.mjs', import.meta.url);

function once<T>(worker: Worker): Promise<T> {
  return new Promise((resolve, reject) => {
    const done = (settle: () => void): void => {
      worker.off('message', onMessage).off('error', onError);
      settle();
    };
    const onMessage = (value: T): void => done(() => resolve(value));
    const onError = (error: Error): void => done(() => reject(error));
    worker.on('message', onMessage).on('error', onError);
  });
}

/** Threads that run the floor's programs; each makes its system calls one after the other. */
export class Floor {
  readonly #threads: Worker[] = [];

  async #need(count: number): Promise<readonly Worker[]> {
    while (this.#threads.length < count) {
      const worker = new Worker(SCRIPT, { execArgv: [] });
      await once(worker);
      this.#threads.push(worker);
    }
    return this.#threads.slice(0, count);
  }

  /**
   * Runs a program once for each name, in so many threads at a time.
   * @throws Error of the first call that failed
   */
  async run(program: string, names: readonly string[], inFlight: number, options: FloorOptions): Promise<Sample> {
    const threads = await this.#need(Math.min(inFlight, names.length));
    const since = performance.now();
    const answers = await Promise.all(
      threads.map(async (worker, thread) => {
        const share = names.filter((_name, index) => index % threads.length === thread);
        const answer = once<Answer>(worker);
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
        worker.postMessage({ program, names: share, options });
        return answer;
      }),
    );
    const seconds = (performance.now() - since) / 1000;
    const times = answers.flatMap((answer) => {
      if ('error' in answer) throw new Error(`floor ${program}: ${answer.error}`);
      return answer.times;
    });
    return { times, seconds };
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.splice(0).map((worker) => worker.terminate()));
  }
}
