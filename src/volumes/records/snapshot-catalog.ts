import type { Catalog } from './catalog.js';
import type { DamagedSnapshot, SnapshotRecord } from './snapshot-record.js';

/** The key under which a snapshot counts in the pool's ledger and in its usage. */
export const snapshotKey = (id: string): string => `snapshot/${id}`;

/** The snapshots of a pool: a cache of their records. What they are promised counts in the pool's catalog. */
export class SnapshotCatalog {
  readonly #ledger: Catalog;
  readonly #records = new Map<string, SnapshotRecord>();
  readonly #damaged = new Map<string, DamagedSnapshot>();
  #sortedIds: readonly string[] | undefined;

  constructor(ledger: Catalog) {
    this.#ledger = ledger;
  }

  get(id: string): SnapshotRecord | undefined {
    return this.#records.get(id);
  }

  records(): IterableIterator<SnapshotRecord> {
    return this.#records.values();
  }

  damagedRecord(id: string): DamagedSnapshot | undefined {
    return this.#damaged.get(id);
  }

  /** Takes over what is on disk now. */
  put(record: SnapshotRecord): void {
    if (!this.#records.has(record.id)) this.#sortedIds = undefined;
    this.#records.set(record.id, record);
    this.#ledger.promise(snapshotKey(record.id), record.usedBytes);
  }

  remove(id: string): void {
    if (!this.#records.delete(id)) return;
    this.#sortedIds = undefined;
    this.#ledger.promise(snapshotKey(id), 0n);
  }

  putDamaged(error: DamagedSnapshot): void {
    this.#damaged.set(error.id, error);
  }

  /** In byte order: the order of ListSnapshots' pages. */
  sortedIds(): readonly string[] {
    this.#sortedIds ??= [...this.#records.keys()].sort();
    return this.#sortedIds;
  }
}
