import { deadlineExceeded, type KayalError, SystemError, unavailable } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { describeJob, type Job, type KeyState } from './io-job.js';
import type { IoOutcome, IoThread } from './io-thread.js';
import { IoThreads } from './io-threads.js';
import type { Operations } from './operations.js';

export interface IoOptions {
  /** How long the call may take, in milliseconds; 15 000 by default. */
  readonly deadlineMs?: number | undefined;
}

/** For a call that reads all names of a directory at once, however many there are. */
export const LISTING: IoOptions = { deadlineMs: 120_000 };

/** For those who must know when a call is really over, also after it was given up: with its value if it has one. */
export interface ReturnOptions {
  readonly onReturned?: ((value: unknown) => void) | undefined;
}

export interface IoWorkersOptions {
  readonly log: Logger;
  /** Calls at a time, without those that were given up; one more for each key that has none. 8 by default. */
  readonly max?: number | undefined;
  /** Calls of one key at a time, with those that were given up; 6 by default. */
  readonly maxPerKey?: number | undefined;
  /** With so many calls given up and not back, a key's further calls fail at once; 4 by default. */
  readonly maxStuckPerKey?: number | undefined;
  /** How long a thread stays without work, in milliseconds; one stays for ever. 30 000 by default. */
  readonly idleMs?: number | undefined;
}

const DEADLINE_MS = 15_000;

/**
 * Threads that make system calls which may hang. A call that runs past its deadline is given up, its thread with it,
 * and another thread takes the thread's place; when the call does come back, the thread is used again. Each call has a
 * key, the name of its pool, and a hung pool keeps others from nothing: it has at most `maxPerKey` threads, and
 * every other key gets at least one. Neither libuv's four threads nor the event loop ever wait for a pool.
 */
export class IoWorkers {
  readonly #log: Logger;
  readonly #max: number;
  readonly #maxPerKey: number;
  readonly #maxStuckPerKey: number;
  readonly #threads: IoThreads;
  /** In the order in which they get their turn. */
  readonly #keys = new Map<string, KeyState>();
  /** Given to threads that were not ready for them. */
  readonly #early: Job[] = [];
  #running = 0;
  #closed = false;
  #onDrained: (() => void) | undefined;

  constructor(options: IoWorkersOptions) {
    this.#log = options.log;
    this.#max = options.max ?? 8;
    this.#maxPerKey = options.maxPerKey ?? 6;
    this.#maxStuckPerKey = options.maxStuckPerKey ?? 4;
    this.#threads = new IoThreads(options.idleMs ?? 30_000);
  }

  /**
   * Runs an operation in a thread.
   * @throws SystemError of the system call that failed
   * @throws KayalError DEADLINE_EXCEEDED when the call takes too long (it may still have its effect), also while it waits for
   *   its turn and no call of its key comes back; UNAVAILABLE when too many calls of the key hang, when the thread
   *   died, and after close()
   */
  run<K extends keyof Operations>(
    key: string,
    op: K,
    args: Parameters<Operations[K]>,
    options: IoOptions & ReturnOptions = {},
  ): Promise<ReturnType<Operations[K]>> {
    return new Promise((resolve, reject) => {
      const deadlineMs = options.deadlineMs ?? DEADLINE_MS;
      const job: Job = {
        key,
        op,
        args,
        deadlineMs,
        submitted: performance.now(),
        timer: setTimeout(() => {
          this.#ring(job);
        }, deadlineMs),
        // The worker runs the operation of this name with these arguments: the value is of its type.
        settle: resolve as (value: unknown) => void,
        fail: reject,
        onReturned: options.onReturned,
        givenUp: false,
        over: false,
      };
      const refusal = this.#refusal(key);
      if (refusal !== undefined) {
        this.#drop(job, refusal);
        return;
      }
      this.#stateOf(key).queue.push(job);
      this.#dispatch();
    });
  }

  /** Calls of the key that ran past their deadline and have not come back. */
  stuck(key: string): number {
    return this.#keys.get(key)?.stuck ?? 0;
  }

  /**
   * Ends the threads once the calls under way came back or were given up; those that still wait for a thread fail with
   * UNAVAILABLE. A thread that hangs stays, and makes process.exit() wait for it: see exit.ts.
   */
  async close(): Promise<void> {
    this.#closed = true;
    for (const [key, state] of this.#keys) this.#failQueue(state, this.#refusal(key));
    if (this.#running > 0) {
      await new Promise<void>((resolve) => {
        this.#onDrained = resolve;
      });
    }
    await this.#threads.close();
  }

  #stateOf(key: string): KeyState {
    const known = this.#keys.get(key);
    if (known !== undefined) return known;
    const state: KeyState = { queue: [], running: 0, stuck: 0, answered: 0 };
    this.#keys.set(key, state);
    return state;
  }

  #refusal(key: string): KayalError | undefined {
    if (this.#closed) return unavailable('this process is shutting down');
    const stuck = this.stuck(key);
    if (stuck < this.#maxStuckPerKey) return undefined;
    return unavailable(`pool ${key} does not answer: ${stuck} calls hang in it`);
  }

  /** Fails a job that no thread has seen. */
  #drop(job: Job, error: KayalError): void {
    clearTimeout(job.timer);
    job.over = true;
    job.fail(error);
    job.onReturned?.(undefined);
  }

  #failQueue(state: KeyState, error: KayalError | undefined): void {
    if (error === undefined) return;
    for (const job of state.queue.splice(0)) this.#drop(job, error);
  }

  #dispatch(): void {
    for (let job = this.#next(); job !== undefined; job = this.#next()) this.#start(job);
  }

  /** The next job that may start, of the key whose turn it is. */
  #next(): Job | undefined {
    for (const [key, state] of this.#keys) {
      const room = this.#running < this.#max || state.running === 0;
      if (state.queue.length === 0 || !room || state.running + state.stuck >= this.#maxPerKey) continue;
      const job = state.queue.shift();
      this.#keys.delete(key);
      this.#keys.set(key, state);
      return job;
    }
    return undefined;
  }

  #start(job: Job): void {
    const thread = this.#threads.take();
    job.timer.refresh();
    this.#running++;
    this.#stateOf(job.key).running++;
    if (!thread.isReady) this.#early.push(job);
    this.#give(job, thread);
  }

  #give(job: Job, thread: IoThread): void {
    job.thread = thread;
    thread.ask({ op: job.op, args: job.args }, (outcome) => {
      this.#returned(job, thread, outcome);
    });
  }

  #returned(job: Job, thread: IoThread, outcome: IoOutcome): void {
    clearTimeout(job.timer);
    job.over = true;
    const state = this.#stateOf(job.key);
    state.answered = performance.now();
    if (job.givenUp) {
      state.stuck--;
      this.#log.info({ pool: job.key, call: describeJob(job) }, 'a call that was given up came back');
    } else {
      state.running--;
      this.#running--;
    }
    if (outcome.kind !== 'died') this.#handOn(thread);
    this.#report(job, outcome);
    if (state.queue.length + state.running + state.stuck === 0) this.#keys.delete(job.key);
    this.#dispatch();
    if (this.#running === 0) this.#onDrained?.();
  }

  /** A thread takes many times as long to come up as most calls: one that is free does the work of one that is not ready. */
  #handOn(thread: IoThread): void {
    for (let job = this.#early.shift(); job !== undefined; job = this.#early.shift()) {
      const late = job.thread;
      if (job.givenUp || late?.withdraw() !== true) continue;
      this.#threads.keep(late);
      this.#give(job, thread);
      return;
    }
    this.#threads.keep(thread);
  }

  /** After a job was given up these change nothing for its caller. */
  #report(job: Job, outcome: IoOutcome): void {
    job.onReturned?.(outcome.kind === 'value' ? outcome.value : undefined);
    switch (outcome.kind) {
      case 'value':
        job.settle(outcome.value);
        break;
      case 'failed':
        job.fail(new SystemError(outcome.code, outcome.call, outcome.path));
        break;
      case 'broken':
        job.fail(new Error(outcome.message));
        break;
      case 'died':
        this.#log.error({ pool: job.key, call: describeJob(job), reason: outcome.message }, 'an io worker died');
        job.fail(unavailable(`pool ${job.key}: the thread of ${describeJob(job)} ended: ${outcome.message}`));
        break;
    }
  }

  /** After a busy spell of the event loop the timer comes first, and an answer that is there already in the same turn. */
  #ring(job: Job): void {
    const { thread } = job;
    setImmediate(() => {
      if (!job.over && job.thread === thread) this.#expire(job);
    });
  }

  #expire(job: Job): void {
    const state = this.#stateOf(job.key);
    if (job.thread === undefined) {
      // While calls of the key come back, those behind them wait for their turn and not for the pool.
      const silent = performance.now() - Math.max(job.submitted, state.answered);
      if (silent < job.deadlineMs - 1) {
        job.timer.refresh();
        return;
      }
      state.queue.splice(state.queue.indexOf(job), 1);
      this.#drop(job, this.#lateError(job));
      return;
    }
    job.givenUp = true;
    job.thread.abandon();
    state.running--;
    this.#running--;
    state.stuck++;
    this.#log.warn({ pool: job.key, call: describeJob(job), stuck: state.stuck }, 'a call hangs and was given up');
    job.fail(this.#lateError(job));
    this.#failQueue(state, this.#refusal(job.key));
    this.#dispatch();
    if (this.#running === 0) this.#onDrained?.();
  }

  #lateError(job: Job): KayalError {
    return deadlineExceeded(`pool ${job.key} did not answer within ${job.deadlineMs / 1000} s (${describeJob(job)})`);
  }
}
