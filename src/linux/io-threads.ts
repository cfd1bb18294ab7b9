import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { IoThread } from './io-thread.js';

/** The bundle that scripts/build.mjs makes: beside the program's, or in dist/ when the sources themselves run. */
function workerScript(): URL {
  const here = import.meta.url;
  const script = new URL(here.endsWith('.ts') ? '../../dist/io-worker.js' : './io-worker.js', here);
  if (!existsSync(script)) throw new Error(`${fileURLToPath(script)} is missing: run npm run build`);
  return script;
}

interface Idle {
  readonly thread: IoThread;
  readonly timer: NodeJS.Timeout;
}

/** Threads, started when they are needed; of those without work all but one end after a while. */
export class IoThreads {
  readonly #script = workerScript();
  readonly #idleMs: number;
  /** The one that became idle last is used first, so that the others can end. */
  #idle: Idle[] = [];
  #closed = false;

  constructor(idleMs: number) {
    this.#idleMs = idleMs;
  }

  /** One that is ready, one that is coming up, or a new one. */
  take(): IoThread {
    const ready = this.#idle.findLastIndex(({ thread }) => thread.isReady);
    const [idle] = this.#idle.splice(ready, 1);
    if (idle !== undefined) {
      clearTimeout(idle.timer);
      return idle.thread;
    }
    return new IoThread(this.#script, (ended) => {
      this.#forget(ended);
    });
  }

  /** Gives a thread back whose request is over. */
  keep(thread: IoThread): void {
    if (this.#closed) {
      void thread.terminate();
      return;
    }
    const timer = setTimeout(() => {
      if (this.#idle.length === 1) return;
      this.#forget(thread);
      void thread.terminate();
    }, this.#idleMs);
    timer.unref();
    this.#idle.push({ thread, timer });
  }

  /** Ends the idle threads, and the others as they are given back. */
  async close(): Promise<void> {
    this.#closed = true;
    const idle = this.#idle;
    this.#idle = [];
    await Promise.all(
      idle.map(async ({ thread, timer }) => {
        clearTimeout(timer);
        await thread.terminate();
      }),
    );
  }

  #forget(thread: IoThread): void {
    this.#idle = this.#idle.filter((idle) => idle.thread !== thread);
  }
}
