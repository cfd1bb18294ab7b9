/** So many changes at a time are put into their places; of more than that the whole is sorted. */
const FEW_CHANGES = 64;

/** The index of the first element that is not less than `id`. */
function placeOf(sorted: readonly string[], id: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? '') < id) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Ids in the order of their UTF-16 code units. A pool has many and few come or go between two lists: to sort 100 000 each
 * time takes a hundred times as long as to put one more in its place.
 */
export class SortedIds {
  #sorted: readonly string[] = [];
  /** Since then: true for those that came, false for those that went. */
  readonly #changes = new Map<string, boolean>();

  add(id: string): void {
    this.#changes.set(id, true);
  }

  remove(id: string): void {
    this.#changes.set(id, false);
  }

  /** An array that stays as it is, whatever is added or removed later. */
  all(): readonly string[] {
    if (this.#changes.size === 0) return this.#sorted;
    this.#sorted = this.#changes.size > FEW_CHANGES ? this.#sortAll() : this.#patched();
    this.#changes.clear();
    return this.#sorted;
  }

  #sortAll(): readonly string[] {
    const kept = this.#sorted.filter((id) => !this.#changes.has(id));
    const added = [...this.#changes].flatMap(([id, isThere]) => (isThere ? [id] : []));
    return [...kept, ...added].sort();
  }

  #patched(): readonly string[] {
    const sorted = [...this.#sorted];
    for (const [id, isThere] of this.#changes) {
      const place = placeOf(sorted, id);
      const wasThere = sorted[place] === id;
      if (isThere && !wasThere) sorted.splice(place, 0, id);
      if (!isThere && wasThere) sorted.splice(place, 1);
    }
    return sorted;
  }
}
