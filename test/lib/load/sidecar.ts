import { status } from '@grpc/grpc-js';
import { connectCsi, isServiceError, type CsiClient } from '../csi-client.js';
import { sleep } from '../wait.js';
import type { Random } from './random.js';

/** After these a sidecar asks again: work may still be going on (external-provisioner's isFinalError, and kubelet). */
const NOT_FINAL: ReadonlySet<status> = new Set([status.ABORTED, status.UNAVAILABLE, status.DEADLINE_EXCEEDED]);
/** Longer than a driver takes to come back, several times over. */
const PATIENCE_MS = 300_000;
/** Callers that do not wait long: one in so many calls has a deadline of some milliseconds. */
const IMPATIENT = 0.05;
const IMPATIENT_MS = 150;

/** How often each call was answered with each status, over all clients of a run. */
export class Answers {
  readonly #counts = new Map<string, Map<string, number>>();

  add(method: string, code: status): void {
    const counts = this.#counts.get(method) ?? new Map<string, number>();
    counts.set(status[code], (counts.get(status[code]) ?? 0) + 1);
    this.#counts.set(method, counts);
  }

  /** By status, over all methods. */
  totals(): Map<string, number> {
    const totals = new Map<string, number>();
    for (const counts of this.#counts.values())
      for (const [code, count] of counts) totals.set(code, (totals.get(code) ?? 0) + count);
    return totals;
  }

  /** A line per method. */
  describe(): string {
    return [...this.#counts]
      .map(([method, counts]) => `${method}: ${[...counts].map(([code, count]) => `${count} ${code}`).join(', ')}`)
      .sort()
      .join('\n');
  }
}

/** Calls a driver as a sidecar or kubelet does: over a connection of its own, again until an answer is final. */
export class Sidecar {
  readonly #client: CsiClient;
  readonly #answers: Answers;
  readonly #random: Random;

  constructor(endpoint: string, answers: Answers, random: Random) {
    this.#client = connectCsi(endpoint);
    this.#answers = answers;
    this.#random = random;
  }

  /** @throws Error for a final answer that is not OK, and when none comes */
  async ask<T>(
    method: string,
    call: (client: CsiClient, options: { readonly timeoutMs?: number }) => Promise<T>,
  ): Promise<T> {
    const until = performance.now() + PATIENCE_MS;
    for (;;) {
      try {
        const options = this.#random.chance(IMPATIENT) ? { timeoutMs: 1 + this.#random.below(IMPATIENT_MS) } : {};
        const answer = await call(this.#client, options);
        this.#answers.add(method, status.OK);
        return answer;
      } catch (error) {
        if (!isServiceError(error)) throw error;
        this.#answers.add(method, error.code);
        const said = `${method}: ${status[error.code]}: ${error.details}`;
        if (!NOT_FINAL.has(error.code)) throw new Error(said, { cause: error });
        if (performance.now() > until) throw new Error(`${said}, for ${PATIENCE_MS / 1000} s`, { cause: error });
        await sleep(50 + this.#random.below(200));
      }
    }
  }

  close(): void {
    this.#client.close();
  }
}
