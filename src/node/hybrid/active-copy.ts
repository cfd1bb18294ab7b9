import { failedPrecondition, messageOf } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { writeCopyRecord, type CopyRecord } from '../../hybrid/copy-record.js';
import { copyPlace } from '../../hybrid/places.js';
import { hasChanges, syncCopy } from '../../hybrid/sync.js';
import { answerSync, askedSync } from '../../hybrid/sync-request.js';
import type { IoWorkers } from '../../linux/io-workers.js';
import { sectorsWritten } from '../../linux/loop-writes.js';
import type { Tree } from '../../linux/tree.js';
import { hasTurn } from '../../volumes/leases/hybrid-turn.js';
import type { ImageUser } from '../../volumes/leases/image-lease.js';
import { copyDevice, copyMounts } from './copy-device.js';
import { beat } from './heartbeat.js';
import type { HybridNews } from './hybrid-news.js';
import { LOCAL } from './local-image.js';

export interface ActiveCopyOptions {
  readonly io: IoWorkers;
  readonly log: Logger;
  readonly local: Tree;
  readonly self: ImageUser;
  /** Runs work with the volume's pool. */
  readonly withPool: <T>(pool: string, work: (tree: Tree) => Promise<T>) => Promise<T>;
  /** It fell behind, or caught up. */
  readonly onNews: (copy: ActiveCopy, news: HybridNews) => void;
}

/** With onNodeLoss: takeover the holder says so often that it lives. */
const BEAT_MS = 10_000;
/** So often it looks whether it is asked to sync. */
const LOOK_MS = 4_000;
const SECTOR = 512;

/** A copy that pods write to, or wrote to: it is synced to the pool again and again. */
export class ActiveCopy {
  readonly #options: ActiveCopyOptions;
  #copy: CopyRecord;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #closed = false;
  /** What the device had written when it was last found to have nothing new; undefined: not known. */
  #idleAt: number | undefined;
  #sectorsAtSync: number | undefined;
  #lastTry = Number.NEGATIVE_INFINITY;
  #lastBeat = Number.NEGATIVE_INFINITY;
  #lastLook = Number.NEGATIVE_INFINITY;
  #answered = 0;
  #problem: string | undefined;
  #lost = false;
  /** Nobody has it staged: it ends with its last sync. */
  isLeft = false;

  constructor(options: ActiveCopyOptions, copy: CopyRecord) {
    this.#options = options;
    this.#copy = copy;
  }

  get copy(): CopyRecord {
    return this.#copy;
  }

  get place(): string {
    return copyPlace(this.#copy.pool, this.#copy.id);
  }

  /** Why the last sync failed; undefined: it did not. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Another node has the volume's turn: what this copy has beyond the pool's state gets into none. */
  get lost(): boolean {
    return this.#lost;
  }

  /** Begins to sync, time and again. */
  start(): void {
    this.#schedule();
  }

  #schedule(): void {
    if (this.#closed || this.#lost) return;
    clearTimeout(this.#timer);
    const ms = Math.min(this.#copy.syncIntervalMs, LOOK_MS);
    this.#timer = setTimeout(() => void this.#tick().finally(() => this.#schedule()), ms).unref();
  }

  async #tick(): Promise<void> {
    const { syncIntervalMs, path, pool } = this.#copy;
    // A pool that does not answer these must not keep anybody from noticing that nothing is synced.
    const asked = (await this.#quietly(() => this.#talk())) ?? 0;
    // Timers come a little early or late.
    if (asked === 0 && performance.now() - this.#lastTry < syncIntervalMs * 0.9) return;
    this.#lastTry = performance.now();
    await this.#quietly(async () => {
      await this.sync();
      if (asked === 0) return;
      await this.#options.withPool(pool, (tree) => answerSync(tree, path, asked));
      this.#answered = asked;
    });
  }

  async #quietly<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      this.#options.log.debug({ volume: this.#copy.handle, error: messageOf(error) }, 'not synced');
      return undefined;
    }
  }

  /**
   * Says that this node lives, and looks whether it is asked to sync.
   * @returns the number of a request that was not answered yet; 0: there is none
   */
  async #talk(): Promise<number> {
    const { pool, path, onNodeLoss } = this.#copy;
    const isDue = (last: number, ms: number): boolean => performance.now() - last > ms;
    const beats = onNodeLoss === 'takeover' && isDue(this.#lastBeat, BEAT_MS);
    const looks = isDue(this.#lastLook, LOOK_MS / 2);
    if (!beats && !looks) return 0;
    return this.#options.withPool(pool, async (tree) => {
      await this.assertTurn(tree);
      if (beats) await beat(tree, path, this.#copy);
      if (beats) this.#lastBeat = performance.now();
      const number = await askedSync(tree, path);
      this.#lastLook = performance.now();
      return number > this.#answered ? number : 0;
    });
  }

  /** Brings what was written until now into the pool; calls at once come one after the other. @throws why that is not possible */
  sync(): Promise<void> {
    const run = this.#running.then(() => this.#syncNow());
    this.#running = run.catch(() => undefined);
    return run;
  }

  async #syncNow(): Promise<void> {
    const { onNews, log } = this.#options;
    if (this.#lost) throw this.#lostError();
    try {
      await this.#syncOnce();
      if (this.#problem !== undefined) onNews(this, 'caught-up');
      this.#problem = undefined;
    } catch (error) {
      const isNews = this.#problem === undefined && !this.#lost;
      this.#problem = messageOf(error);
      if (isNews) {
        log.warn({ volume: this.#copy.handle, error: this.#problem }, 'not synced to the pool');
        onNews(this, 'behind');
      }
      throw error;
    }
  }

  async #syncOnce(): Promise<void> {
    const { io, local, withPool, log } = this.#options;
    const { pool, handle } = this.#copy;
    const device = await copyDevice(this.#options, this.place);
    const [mountPoint] = await copyMounts(this.#options, this.place);
    if (mountPoint !== undefined) await io.run(LOCAL, 'syncMount', [mountPoint], { deadlineMs: 120_000 });
    const sectors = device === undefined ? undefined : await sectorsWritten(device.number);
    if (sectors !== undefined && sectors === this.#idleAt && this.#copy.state !== undefined) return;
    const at = { local, place: this.place, copy: this.#copy };
    if (!(await hasChanges(at))) {
      // Whatever is written after the device was asked makes it say another number.
      this.#idleAt = sectors;
      return;
    }
    const started = performance.now();
    const result = await withPool(pool, (tree) =>
      syncCopy({
        ...at,
        pool: tree,
        directory: this.#copy.path,
        mountPoint,
        assertTurn: () => this.assertTurn(tree),
      }),
    );
    this.#copy = { ...result.copy, limitBytes: this.#copy.limitBytes };
    this.#idleAt = undefined;
    this.#sectorsAtSync = sectors;
    const { bytes, isWhole, frozenMs } = result;
    const ms = Math.round(performance.now() - started);
    log.debug({ volume: handle, bytes, isWhole, ms, frozenMs: Math.round(frozenMs), n: this.#copy.state?.n }, 'synced');
  }

  /** @throws KayalError FAILED_PRECONDITION when the volume is not this node's any more; then it syncs no more */
  async assertTurn(tree: Tree): Promise<void> {
    if (!this.#lost && (await hasTurn(tree, this.#copy.id, this.#copy.turn, this.#options.self))) return;
    const error = this.#lostError();
    if (!this.#lost) {
      this.#lost = true;
      this.#problem = error.message;
      this.#options.log.warn({ volume: this.#copy.handle }, 'the volume is not this node’s any more');
      this.#options.onNews(this, 'lost');
    }
    throw error;
  }

  #lostError(): Error {
    return failedPrecondition(
      `volume ${this.#copy.handle} was taken over by another node, or taken away from this one: what its pods here write is not the ` +
        'volume any more; delete them. Their changes are kept aside on this node then (docs/hybrid.md)',
    );
  }

  /** About how much was written to the copy since its last sync, in bytes. */
  async behindBytes(): Promise<number | undefined> {
    const device = await copyDevice(this.#options, this.place);
    if (device === undefined || this.#sectorsAtSync === undefined) return undefined;
    const sectors = await sectorsWritten(device.number);
    return sectors === this.#idleAt ? 0 : Math.max(0, sectors - this.#sectorsAtSync) * SECTOR;
  }

  /** What is not in the pool gets into no state: somebody said so. */
  giveUp(): void {
    this.#lost = true;
  }

  /** Takes over a new limit of the volume. */
  async resize(limitBytes: bigint): Promise<void> {
    await this.#change({ limitBytes: String(limitBytes) });
  }

  /** Says that all of the copy is in the pool, and nobody writes to it any more. */
  async markClean(): Promise<void> {
    await this.#change({ clean: true });
  }

  async #change(fields: Partial<CopyRecord>): Promise<void> {
    const run = this.#running.then(async () => {
      this.#copy = { ...this.#copy, ...fields };
      await writeCopyRecord(this.#options.local, this.place, this.#copy);
    });
    this.#running = run.catch(() => undefined);
    await run;
  }

  /** Syncs no more; a sync under way is waited for. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#running;
  }
}
