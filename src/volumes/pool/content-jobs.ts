import { setTimeout as sleep } from 'node:timers/promises';
import { aborted } from '../../base/errors.js';

/** What a job is told and may say. */
export interface JobControl {
  /** Aborts when the job is to end without a result. */
  readonly signal: AbortSignal;
  /** A few words on how far it is, for whoever asks again. */
  readonly report: (text: string) => void;
}

interface Job {
  readonly controller: AbortController;
  readonly ended: Promise<void>;
  text: string;
}

/**
 * Work of a pool's session that outlasts the call which began it, one job per key. How a job failed is kept until
 * somebody asks, who may start it again.
 */
export class ContentJobs {
  readonly #jobs = new Map<string, Job>();
  readonly #failures = new Map<string, unknown>();
  #closed = false;

  isRunning(key: string): boolean {
    return this.#jobs.has(key);
  }

  /** Starts a job unless it runs already. */
  start(key: string, work: (control: JobControl) => Promise<void>): void {
    if (this.#closed || this.#jobs.has(key)) return;
    this.#failures.delete(key);
    const controller = new AbortController();
    const report = (text: string): void => {
      job.text = text;
    };
    const job: Job = {
      controller,
      text: 'it has just begun',
      ended: Promise.resolve()
        .then(() => work({ signal: controller.signal, report }))
        .catch((error: unknown) => {
          if (!controller.signal.aborted) this.#failures.set(key, error);
        })
        .finally(() => {
          this.#jobs.delete(key);
        }),
    };
    this.#jobs.set(key, job);
  }

  /** The failure of a job that has ended, which is told once. */
  throwFailure(key: string): void {
    if (!this.#failures.has(key)) return;
    const failure = this.#failures.get(key);
    this.#failures.delete(key);
    throw failure as Error;
  }

  /**
   * Waits for the end of a job, `ms` at most.
   * @throws KayalError ABORTED when it goes on; how it failed
   */
  async wait(key: string, ms: number, what: string): Promise<void> {
    const job = this.#jobs.get(key);
    if (job !== undefined) {
      const timer = new AbortController();
      await Promise.race([job.ended, sleep(ms, undefined, { signal: timer.signal }).catch(() => undefined)]);
      timer.abort();
    }
    if (this.#jobs.get(key) === job && job !== undefined) throw aborted(`${what} is being made: ${job.text}; retry`);
    this.throwFailure(key);
  }

  /** Ends a job and waits until it has ended. How it, or the one before, failed is forgotten: it says nothing of a later one. */
  async cancel(key: string): Promise<void> {
    const job = this.#jobs.get(key);
    job?.controller.abort();
    await job?.ended;
    this.#failures.delete(key);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#jobs.keys()].map((key) => this.cancel(key)));
  }
}
