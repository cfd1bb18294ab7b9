import type { DamagedRecord, VolumeRecord } from './record.js';
import { promisedBytesOf } from './promised.js';
import { PathIndex } from './path-index.js';
import { SortedIds } from './sorted-ids.js';

/** A deleted volume that waits to be purged; its space stays promised until it is gone. */
export interface TrashEntry {
  /** The entry's directory below `.kayal/trash`. */
  readonly name: string;
  readonly limitBytes: bigint;
  readonly projectId?: number | undefined;
}

/**
 * What the pool has promised: a cache of its records and its trash, rebuilt from them whenever the pool is opened.
 * Reserving is synchronous, so that two calls at once cannot be promised the same bytes.
 */
export class Catalog {
  readonly #records = new Map<string, VolumeRecord>();
  readonly #damaged = new Map<string, { readonly error: DamagedRecord; readonly limitBytes: bigint }>();
  readonly #trash = new Map<string, TrashEntry>();
  readonly #reservations = new Map<string, bigint>();
  readonly #others = new Map<string, bigint>();
  readonly #paths = new PathIndex();
  /** Ids of inline volumes by their node. */
  readonly #inline = new Map<string, Set<string>>();
  #promised = 0n;
  #version = 0;
  /** Ids of volumes that are being made. */
  readonly #creating = new Set<string>();
  readonly #sortedIds = new SortedIds();

  /** Bytes promised to volumes, to volumes being made, and to trash. */
  get promisedBytes(): bigint {
    return this.#promised;
  }

  /** Grows with every change of a record. */
  get version(): number {
    return this.#version;
  }

  get volumeCount(): number {
    return this.#records.size + this.#damaged.size;
  }

  get(id: string): VolumeRecord | undefined {
    return this.#records.get(id);
  }

  records(): IterableIterator<VolumeRecord> {
    return this.#records.values();
  }

  /** Volumes that are being made: few, however many there are. */
  creating(): readonly VolumeRecord[] {
    return [...this.#creating].flatMap((id) => this.#records.get(id) ?? []);
  }

  damagedRecord(id: string): DamagedRecord | undefined {
    return this.#damaged.get(id)?.error;
  }

  /** Takes over what is on disk now; replaces what was known of the volume. */
  put(record: VolumeRecord): void {
    this.#version++;
    const before = this.#records.get(record.id);
    if (before === undefined) this.#sortedIds.add(record.id);
    else {
      this.#promised -= promisedBytesOf(before);
      this.#paths.remove(before.path);
    }
    this.#records.set(record.id, record);
    this.#promised += promisedBytesOf(record);
    this.#paths.add(record.path, record.id);
    if (record.state === 'creating') this.#creating.add(record.id);
    else this.#creating.delete(record.id);
    const node = record.ephemeral?.node;
    if (node !== undefined) this.#inline.set(node, (this.#inline.get(node) ?? new Set()).add(record.id));
  }

  /** Ids of the inline volumes of a node's pods. */
  inlineVolumesOf(node: string): ReadonlySet<string> {
    return this.#inline.get(node) ?? new Set();
  }

  remove(id: string): void {
    const record = this.#records.get(id);
    if (record === undefined) return;
    this.#version++;
    this.#records.delete(id);
    this.#promised -= promisedBytesOf(record);
    this.#paths.remove(record.path);
    this.#creating.delete(id);
    if (!this.#damaged.has(id)) this.#sortedIds.remove(id);
    if (record.ephemeral !== undefined) this.#inline.get(record.ephemeral.node)?.delete(id);
  }

  /** @param limitBytes what its data is limited to as far as that could be found out; it stays promised */
  putDamaged(error: DamagedRecord, limitBytes: bigint): void {
    this.#damaged.set(error.id, { error, limitBytes });
    this.#promised += limitBytes;
    this.#sortedIds.add(error.id);
  }

  putTrash(entry: TrashEntry): void {
    const before = this.#trash.get(entry.name);
    this.#trash.set(entry.name, entry);
    this.#promised += entry.limitBytes - (before?.limitBytes ?? 0n);
  }

  removeTrash(name: string): void {
    const entry = this.#trash.get(name);
    if (entry === undefined) return;
    this.#trash.delete(name);
    this.#promised -= entry.limitBytes;
  }

  trash(): readonly TrashEntry[] {
    return [...this.#trash.values()];
  }

  get trashCount(): number {
    return this.#trash.size;
  }

  /** What is promised to something that is no volume (a snapshot), instead of what was before; 0n forgets it. */
  promise(key: string, bytes: bigint): void {
    this.#promised += bytes - (this.#others.get(key) ?? 0n);
    if (bytes === 0n) this.#others.delete(key);
    else this.#others.set(key, bytes);
  }

  /** Promises `bytes` ahead of the record that will; the result takes it back (once the record counts, or on failure). */
  reserve(id: string, bytes: bigint): () => void {
    this.#reservations.set(id, (this.#reservations.get(id) ?? 0n) + bytes);
    this.#promised += bytes;
    let released = false;
    return () => {
      if (released) return;
      released = true;
      const left = (this.#reservations.get(id) ?? 0n) - bytes;
      if (left === 0n) this.#reservations.delete(id);
      else this.#reservations.set(id, left);
      this.#promised -= bytes;
    };
  }

  /** The volume whose data is at, above or below `path`. */
  conflictingVolume(path: string): string | undefined {
    return this.#paths.conflict(path);
  }

  /** Project ids in use by volumes and by trash. */
  projectIds(): Set<number> {
    const ids = new Set<number>();
    for (const record of this.#records.values()) {
      if (record.quota.projectId !== undefined) ids.add(record.quota.projectId);
    }
    for (const entry of this.#trash.values()) if (entry.projectId !== undefined) ids.add(entry.projectId);
    return ids;
  }

  /** Every id, damaged ones too, in byte order: the order of ListVolumes' pages. */
  sortedIds(): readonly string[] {
    return this.#sortedIds.all();
  }
}
