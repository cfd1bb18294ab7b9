import { aborted, messageOf, unavailable } from '../../base/errors.js';
import type { KeyLock } from '../../base/key-lock.js';
import { Limiter } from '../../base/limiter.js';
import type { Logger } from '../../base/logger.js';
import type { CopyRecord } from '../../hybrid/copy-record.js';
import type { IoWorkers } from '../../linux/io-workers.js';
import type { Tree } from '../../linux/tree.js';
import type { PoolMounts } from '../../pools/mounts.js';
import type { Config } from '../../pools/types.js';
import { endTurn, heldTurn } from '../../volumes/leases/hybrid-turn.js';
import { isSameMachine, type ImageUser } from '../../volumes/leases/image-lease.js';
import type { ClientRelease } from '../client-release.js';
import { within } from '../deadline.js';
import { volumeKey } from '../locks.js';
import { ActiveCopy } from './active-copy.js';
import type { Copies } from './copies.js';
import type { HybridNews } from './hybrid-news.js';
import { isAbandoned, leftCopies } from './left-copies.js';
import { LOCAL } from './local-image.js';

export interface ActiveCopiesOptions {
  readonly io: IoWorkers;
  readonly log: Logger;
  readonly self: ImageUser;
  readonly pools: PoolMounts;
  readonly config: () => Config;
  readonly release: ClientRelease;
  readonly locks: KeyLock;
  readonly copies: Copies;
  /** Its pods are told, by the targets that they have it at. */
  readonly onNews: (copy: ActiveCopy, news: HybridNews, targets: readonly string[]) => void;
}

/** A call waits so long for the last sync before it asks to be repeated. */
const PATIENCE_MS = 30_000;
/** Syncs to one pool at a time. */
const AT_ONCE = 3;
/** What was left over is tried again after this time. */
const AGAIN_MS = 30_000;

/** Held while what this node has of a volume changes. */
export function hybridKey(handle: string): string {
  return `hybrid ${handle}`;
}

/** The copies that pods of this node write to, and those that they wrote to until a node or this process ended. */
export class ActiveCopies {
  readonly #options: ActiveCopiesOptions;
  readonly #active = new Map<string, ActiveCopy>();
  /** Volumes that this node may have a turn of which it does not need. */
  readonly #owed = new Map<string, { readonly pool: string; readonly id: string }>();
  /** By pool. */
  readonly #limiters = new Map<string, Limiter>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: ActiveCopiesOptions) {
    this.#options = options;
  }

  get all(): readonly ActiveCopy[] {
    return [...this.#active.values()];
  }

  get(handle: string): ActiveCopy | undefined {
    return this.#active.get(handle);
  }

  /** Goes on with what a former process had under way. */
  async start(): Promise<void> {
    const { io, log, copies } = this.#options;
    for (const { place, copy } of await leftCopies(copies.directory)) {
      const room = await copies.room();
      room.note(place, BigInt(copy.limitBytes), copy.clean);
      if (copy.clean) {
        this.#owed.set(copy.handle, copy);
        continue;
      }
      const [mount] = await copies.mounts(place);
      if (mount !== undefined && (await io.run(LOCAL, 'thawMount', [mount]))) {
        log.warn({ volume: copy.handle }, 'its filesystem was frozen');
      }
      const active = await this.add(copy);
      active.isLeft = mount === undefined;
      log.info({ volume: copy.handle, staged: !active.isLeft, reaches: copy.state?.reaches }, 'its copy is taken over');
    }
    this.#settleLater(0);
  }

  /** Begins to sync a copy. */
  async add(copy: CopyRecord): Promise<ActiveCopy> {
    const { io, log, self, copies, onNews } = this.#options;
    const tell = (which: ActiveCopy, news: HybridNews): void => {
      copies
        .mounts(which.place)
        .then((targets) => onNews(which, news, targets))
        .catch((error: unknown) => log.debug({ error: messageOf(error) }, 'nobody was told'));
    };
    const local = await copies.tree();
    const limiter = this.#limiters.get(copy.pool) ?? new Limiter(AT_ONCE);
    this.#limiters.set(copy.pool, limiter);
    const withPool = <T>(pool: string, work: (tree: Tree) => Promise<T>): Promise<T> =>
      limiter.run(() => this.#withPool(pool, work));
    const active = new ActiveCopy({ io, log, local, self, withPool, onNews: tell }, copy);
    this.#active.set(copy.handle, active);
    this.#owed.delete(copy.handle);
    active.start();
    return active;
  }

  /** Of a copy that is of no use any more, and not mounted. */
  async drop(active: ActiveCopy): Promise<void> {
    await active.close();
    this.#active.delete(active.copy.handle);
  }

  #withPool<T>(name: string, work: (tree: Tree) => Promise<T>): Promise<T> {
    const { pools, release, config } = this.#options;
    return release.use(name, async () => {
      const pool = config().pools.find((candidate) => candidate.name === name);
      if (pool === undefined) throw unavailable(`pool ${name} is not configured`);
      return work((await pools.attach(pool)).tree);
    });
  }

  /**
   * Waits until all that was written to a copy is in the pool; or somebody gave that up (`kayal volume abandon`), or another
   * node has the volume.
   * @param target of the pod that waits; absent: none does
   * @throws KayalError ABORTED while it takes longer, UNAVAILABLE when it is not possible
   */
  async settle(active: ActiveCopy, target?: string): Promise<void> {
    const { copies, log, onNews } = this.#options;
    const { handle } = active.copy;
    const late = aborted(`it takes more than ${PATIENCE_MS / 1_000} s`);
    try {
      if (
        (await within(
          PATIENCE_MS,
          active.sync().then(() => true),
        )) === undefined
      )
        throw late;
    } catch (error) {
      if (active.lost) return;
      if (await isAbandoned(copies.directory, active.place)) {
        log.warn({ volume: handle, error: messageOf(error) }, 'what is not in the pool is given up');
        active.giveUp();
        return;
      }
      if (target !== undefined) onNews(active, 'behind', [target]);
      const reaches = active.copy.state?.reaches ?? 'nothing yet';
      throw (error === late ? aborted : unavailable)(
        `volume ${handle}: what its pods wrote last is not in its pool, which has ${reaches} (${messageOf(error)}); retry, or give it ` +
          `up with "kayal volume abandon ${handle}" on this node`,
        { cause: error },
      );
    }
  }

  /** Ends the use of a copy that is settled, and not mounted: it is kept for the next time, or aside. */
  async end(active: ActiveCopy): Promise<void> {
    const { copies } = this.#options;
    const { lost, place } = active;
    if (!lost) await active.markClean();
    await this.drop(active);
    if (lost) {
      await copies.setAside(place, active.copy);
      await copies.discard(place);
    } else {
      const room = await copies.room();
      room.note(place, BigInt(active.copy.limitBytes), true);
    }
  }

  /** Gives this node's turn of a volume back, if it has one. */
  async endTurn({ pool, id }: { readonly pool: string; readonly id: string }): Promise<void> {
    await this.#withPool(pool, async (tree) => {
      const held = await heldTurn(tree, id);
      if (held !== undefined && isSameMachine(held.holder, this.#options.self)) await endTurn(tree, id, held.turn);
    });
  }

  /** The same, as soon as the pool answers. */
  endTurnLater(handle: string, volume: { readonly pool: string; readonly id: string }): void {
    this.#owed.set(handle, volume);
    this.#settleLater(AGAIN_MS);
  }

  #settleLater(ms: number): void {
    if (this.#closed || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      void this.#settleAll().finally(() => {
        this.#timer = undefined;
        if (this.#owed.size > 0 || this.all.some(({ isLeft }) => isLeft)) this.#settleLater(AGAIN_MS);
      });
    }, ms).unref();
  }

  /** What was left over: other nodes may have the volumes then. */
  async #settleAll(): Promise<void> {
    for (const active of this.all.filter(({ isLeft }) => isLeft)) {
      const { handle, pool, id } = active.copy;
      await this.#quietly(handle, async () => {
        if (!active.isLeft) return;
        await this.settle(active);
        await this.end(active);
        this.#owed.set(handle, { pool, id });
      });
    }
    for (const [handle, volume] of [...this.#owed]) {
      await this.#quietly(handle, async () => {
        if (!this.#active.has(handle)) await this.endTurn(volume);
        this.#owed.delete(handle);
      });
    }
  }

  async #quietly(handle: string, work: () => Promise<void>): Promise<void> {
    const { locks, log } = this.#options;
    const unlock = this.#closed ? undefined : locks.tryAcquire(volumeKey(handle), hybridKey(handle));
    if (unlock === undefined) return;
    try {
      await work();
    } catch (error) {
      log.warn({ volume: handle, error: messageOf(error) }, 'what was left of a hybrid volume is not settled yet');
    } finally {
      unlock();
    }
  }

  /** Ends all syncs; copies that are in use stay so, for the next process. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await Promise.all(this.all.map((active) => active.close()));
  }
}
