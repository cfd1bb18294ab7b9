import { exhausted } from '../../base/errors.js';
import { formatBytes } from '../../base/units.js';
import type { Tree } from '../../linux/tree.js';

/**
 * What a copy may take of the node's disk at most, as many times its limit: the image, what it was when it was last synced, and
 * what it was when the sync under way began.
 */
export const COPIES = 3n;

interface Known {
  readonly bytes: bigint;
  /** When it was last needed. */
  readonly at: number;
  /** Nobody uses it, and all of it is in the pool. */
  readonly spare: boolean;
}

export interface RoomOptions {
  readonly local: Tree;
  /** In all; absent: as much as the filesystem has. */
  readonly maxBytes?: bigint | undefined;
  /** Removes a copy that is spare. */
  readonly remove: (place: string) => Promise<void>;
}

/** What the copies on this node may take together. */
export class Room {
  readonly #options: RoomOptions;
  readonly #known = new Map<string, Known>();

  constructor(options: RoomOptions) {
    this.#options = options;
  }

  /**
   * Sets room aside for a copy; spare copies go for it, those first that nobody has needed for the longest time.
   * @throws KayalError RESOURCE_EXHAUSTED
   */
  async take(place: string, limitBytes: bigint, handle: string): Promise<void> {
    const { local, maxBytes, remove } = this.#options;
    const most = maxBytes ?? (await local.statfs('')).total;
    const bytes = COPIES * limitBytes;
    const others = (): bigint =>
      [...this.#known].reduce((sum, [other, known]) => sum + (other === place ? 0n : known.bytes), 0n);
    while (others() + bytes > most) {
      const spare = [...this.#known]
        .filter(([other, known]) => known.spare && other !== place)
        .sort(([, a], [, b]) => a.at - b.at)[0];
      if (spare === undefined) {
        throw exhausted(
          `volume ${handle} of ${formatBytes(limitBytes)} needs ${formatBytes(bytes)} of this node's disk (${COPIES} times its size), and of ` +
            `${formatBytes(most)} for hybrid volumes ${formatBytes(others())} are promised to others: see --hybrid-size, docs/hybrid.md`,
        );
      }
      this.#known.delete(spare[0]);
      await remove(spare[0]);
    }
    this.note(place, limitBytes, false);
  }

  note(place: string, limitBytes: bigint, spare: boolean): void {
    this.#known.set(place, { bytes: COPIES * limitBytes, at: performance.now(), spare });
  }

  forget(place: string): void {
    this.#known.delete(place);
  }
}
