/** Work on a large tree is cut into slices, so that it neither runs past a deadline nor keeps a worker from others. */
export interface Budget {
  /** The number of directory entries that one slice may look at. */
  readonly entries: number;
}

/** A slow filesystem ends a slice earlier than its number of entries does. */
const SLICE_MS = 250;

/** Counts what a slice does and says when it is to end. */
export class Slice {
  #left: number;
  readonly #until = performance.now() + SLICE_MS;

  constructor(budget: Budget) {
    this.#left = budget.entries;
  }

  /** Counts one entry. */
  spend(): void {
    this.#left--;
  }

  get exhausted(): boolean {
    return this.#left <= 0 || performance.now() > this.#until;
  }
}
