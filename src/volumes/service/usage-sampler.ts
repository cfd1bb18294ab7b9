import { messageOf } from '../../base/errors.js';
import { maxBytes } from '../../base/units.js';
import type { Tree } from '../../linux/tree.js';
import type { VolumeRecord } from '../records/record.js';
import type { Session } from '../pool/session.js';

const EVERY_MS = 60_000;
const PAUSE_MS = 4;
/** Entries counted in one slice where the mechanism does not count. */
const SLICE = 2_000;

const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms).unref());

/**
 * Looks in the background at what each volume uses, so that the pool's capacity can tell the volumes' data from
 * foreign data. One volume at a time, on threads that no call waits for.
 */
export class UsageSampler {
  readonly #session: Session;
  readonly #tree: Tree;
  #closed = false;

  constructor(session: Session, tree: Tree) {
    this.#session = session;
    this.#tree = tree;
  }

  /** Runs until closed. */
  async run(): Promise<void> {
    while (!this.#closed) {
      for (const id of this.#session.catalog.sortedIds()) {
        if (this.#closed) return;
        const record = this.#session.catalog.get(id);
        if (record === undefined || record.state === 'creating' || record.state === 'deleting') continue;
        await this.#sample(record);
        await delay(PAUSE_MS);
      }
      await delay(EVERY_MS);
    }
  }

  async #sample(record: VolumeRecord): Promise<void> {
    try {
      const all = record.quota.mechanism === 'none' ? await this.#count(record.path) : await this.#statfs(record.path);
      // Blocks that are shared with the source of a clone are counted there.
      const used = maxBytes(0n, all - BigInt(record.content?.sharedBytes ?? '0'));
      // The volume may have gone to the trash meanwhile; then it is known under another name.
      if (!this.#closed && this.#session.catalog.get(record.id) !== undefined) {
        this.#session.capacity.observeVolume(record.id, used);
      }
    } catch (error) {
      this.#session.log.debug({ volume: record.id, error: messageOf(error) }, 'usage not read');
    }
  }

  async #statfs(path: string): Promise<bigint> {
    const usage = await this.#tree.statfs(path);
    return usage.total - usage.free;
  }

  async #count(path: string): Promise<bigint> {
    let count = await this.#tree.countUsage(path, { entries: SLICE });
    while (!count.done && !this.#closed) count = await this.#tree.countUsage(path, { entries: SLICE }, count);
    return count.bytes;
  }

  close(): void {
    this.#closed = true;
  }
}
