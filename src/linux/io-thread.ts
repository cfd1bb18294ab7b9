import { Worker } from 'node:worker_threads';
import { deferred } from '../base/deferred.js';
import { messageOf } from '../base/errors.js';
import type { IoMessage, IoRequest, IoResponse } from './io-messages.js';

/** What became of a request; `died`: the thread ended before it answered. */
export type IoOutcome = IoResponse | { readonly kind: 'died'; readonly message: string };

/**
 * One io worker. It keeps the process alive only while it loads its code or a request is under way. A thread that hangs in a system call
 * cannot be ended: terminate() takes effect when the call comes back.
 */
export class IoThread {
  readonly #worker: Worker;
  readonly #started = deferred<void>();
  #isReady = false;
  /** Asked of a thread that is still coming up. */
  #waiting: IoRequest | undefined;
  #answer: ((outcome: IoOutcome) => void) | undefined;
  #reason = 'it ended';

  constructor(script: URL, onExit: (thread: IoThread) => void) {
    this.#worker = new Worker(script, {
      name: 'kayal-io',
      // The parent's flags may load a compiler that the bundle does not need.
      execArgv: [],
      // Descriptors belong to the process: another thread goes on with a root that this one opened.
      trackUnmanagedFds: false,
      resourceLimits: { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 256 },
    });
    this.#worker.on('message', (message: IoMessage) => {
      if (message.kind === 'ready') this.#becomeReady();
      else this.#settle(message);
    });
    this.#worker.on('messageerror', (error) => {
      this.#settle({ kind: 'broken', message: messageOf(error) });
    });
    this.#worker.on('error', (error) => {
      this.#reason = messageOf(error);
    });
    this.#worker.on('exit', () => {
      this.#started.resolve();
      onExit(this);
      this.#settle({ kind: 'died', message: this.#reason });
    });
  }

  /** False while it loads its code. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** `answer` is called once. One request at a time. */
  ask(request: IoRequest, answer: (outcome: IoOutcome) => void): void {
    this.#answer = answer;
    this.#worker.ref();
    if (this.#isReady) this.#post(request);
    else this.#waiting = request;
  }

  /** Takes a request back that the thread was not ready for: its `answer` is never called. False: it has got it. */
  withdraw(): boolean {
    if (this.#waiting === undefined) return false;
    this.#waiting = undefined;
    this.#answer = undefined;
    return true;
  }

  #becomeReady(): void {
    this.#isReady = true;
    this.#started.resolve();
    const request = this.#waiting;
    this.#waiting = undefined;
    if (request === undefined) this.#worker.unref();
    else this.#post(request);
  }

  #post(request: IoRequest): void {
    try {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      this.#worker.postMessage(request);
    } catch (error) {
      this.#settle({ kind: 'broken', message: messageOf(error) });
    }
  }

  /** Lets the process end although the request is still under way. */
  abandon(): void {
    this.#worker.unref();
  }

  /** Waits until it is up: ending a thread that loads koffi ends the process (a fatal error of N-API). */
  async terminate(): Promise<void> {
    await this.#started.promise;
    await this.#worker.terminate();
  }

  #settle(outcome: IoOutcome): void {
    const answer = this.#answer;
    this.#answer = undefined;
    this.#worker.unref();
    answer?.(outcome);
  }
}
