/** Numbers that look random and come again with the same seed (the mulberry32 generator). */
export class Random {
  #state: number;

  /** @param seed an unsigned 32-bit number */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** At least 0, less than 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** An integer from 0, less than `limit`. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  bytes(length: number): Buffer {
    const words = new Uint32Array(Math.ceil(length / 4)).map(() => this.below(2 ** 32));
    return Buffer.from(words.buffer, 0, length);
  }

  shuffled<T>(items: readonly T[]): T[] {
    return items
      .map((item) => ({ item, at: this.next() }))
      .sort((a, b) => a.at - b.at)
      .map(({ item }) => item);
  }
}

/** The seed of a run: KAYAL_TEST_SEED, to have the same one again, else another one each time. */
export function chooseSeed(): number {
  const given = Number(process.env['KAYAL_TEST_SEED'] ?? '');
  return given > 0 ? given : 1 + Math.floor(Math.random() * (2 ** 32 - 1));
}
