import { KayalError, messageOf, unavailable } from '../../base/errors.js';
import { deferred, type Deferred } from '../../base/deferred.js';
import { KeyLock } from '../../base/key-lock.js';
import type { Logger } from '../../base/logger.js';
import type { ProcessIdentity } from '../../linux/process-info.js';
import type { BrickLinks } from '../../linux/brick-links.js';
import type { HalfRenames } from '../../linux/half-renames.js';
import type { Tree } from '../../linux/tree.js';
import type { PoolConfig } from '../../pools/types.js';
import { assertWhole } from '../../pools/whole-pool.js';
import type { MechanismName, QuotaMechanism } from '../../quota/mechanism.js';
import { Capacity } from '../pool/capacity.js';
import { Catalog } from '../records/catalog.js';
import { ContentJobs } from '../pool/content-jobs.js';
import type { ContentSource, OpenSource } from '../pool/content-source.js';
import { answerTasks } from './holder-task.js';
import { answerRequests } from '../life/answer-requests.js';
import type { KnownPools } from '../pool/known-pools.js';
import { Lease } from '../pool/lease.js';
import { loadCatalog } from './load.js';
import { checkPool, preparePool } from '../pool/prepare-pool.js';
import { Purge } from './purge.js';
import { emptyFence, trashForgottenCopies, finishUnfinished } from '../life/recover.js';
import type { Session } from '../pool/session.js';
import { SnapshotCatalog } from '../records/snapshot-catalog.js';
import { UsageSampler } from './usage-sampler.js';

/** How long a call waits for a pool that is just being opened, in ms. */
const OPENING_WAIT = 10_000;
const FIRST_RETRY = 500;
const LAST_RETRY = 15_000;
const REQUESTS_EVERY = 1_000;
/** A pod waits for its inline volume; a look at an empty directory takes a millisecond. */
const INLINE_REQUESTS_EVERY = 300;
const SWEEP_EVERY = 60_000;
const REMEMBER_EVERY = 60_000;

export interface ControlledPoolOptions {
  readonly config: PoolConfig;
  readonly installation: string;
  readonly node: string;
  readonly self: ProcessIdentity;
  readonly known: KnownPools;
  readonly log: Logger;
  /** The control mount. `background` is the same tree on threads of its own, for work that no call waits for. */
  readonly attach: () => Promise<{ readonly tree: Tree; readonly background: Tree }>;
  readonly mechanismFor: (tree: Tree, recorded: MechanismName | undefined) => Promise<QuotaMechanism>;
  /** Connections to the bricks, where they are on this machine. */
  readonly bricks?: BrickLinks | undefined;
  readonly halfRenames?: HalfRenames | undefined;
  /** Finds what a copy is made from, in whichever pool. */
  readonly openSource: (source: ContentSource) => Promise<OpenSource>;
  /** Told of every opening; must not throw. */
  readonly onOpen: (session: Session) => void;
}

interface OpenSession {
  readonly session: Session;
  readonly close: (release: boolean) => Promise<void>;
}

/** Neither features/marker nor features/simple-quota sees blocks that bricks share; a pool without limits has nothing to count. */
const countsSharedBlocks = (mechanism: MechanismName): boolean => mechanism === 'project' || mechanism === 'none';

/** One pool of the config as the controller has it: opened in the background, opened again whenever it fails. */
export class ControlledPool {
  readonly config: PoolConfig;
  readonly installation: string;
  readonly #options: ControlledPoolOptions;
  readonly #abort = new AbortController();
  readonly #stopping: Deferred<Error> = deferred();
  #current: OpenSession | undefined;
  #seenCatalog: Catalog | undefined;
  #seenSnapshots: SnapshotCatalog | undefined;
  /** From an earlier process; good for lists only. */
  #rememberedCatalog: Catalog | undefined;
  #error: Error | undefined;
  #changed: Deferred<void> = deferred();
  #running: Promise<void> | undefined;
  readonly #remembering = deferred<void>();
  #reading: Promise<void> | undefined;

  constructor(options: ControlledPoolOptions) {
    this.config = options.config;
    this.installation = options.installation;
    this.#options = options;
  }

  /** Until then its calls wait, and are answered with UNAVAILABLE after a while. Once is enough. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Resolves when `listedCatalog` can tell what is in the pool or, while it is down, what an earlier process knew. */
  async remembers(): Promise<void> {
    await this.#remembering.promise;
  }

  /** The open pool; undefined while it is not. */
  current(): Session | undefined {
    return this.#current?.session;
  }

  /** What this process last knew of the pool's volumes, also while it is down; undefined when it was never open here. */
  seenCatalog(): Catalog | undefined {
    return this.#seenCatalog;
  }

  /** What this process last knew of the pool's snapshots. */
  seenSnapshots(): SnapshotCatalog | undefined {
    return this.#seenSnapshots;
  }

  /** The same, or what an earlier process knew: for lists, that leave no volume out because its pool is down. */
  listedCatalog(): Catalog | undefined {
    return this.#seenCatalog ?? this.#rememberedCatalog;
  }

  /** Why the pool is not open. */
  reason(): string {
    return this.#error === undefined ? 'it is being opened' : messageOf(this.#error);
  }

  /**
   * The open pool; waits a while for one that is just being opened.
   * @throws KayalError UNAVAILABLE, or FAILED_PRECONDITION when an administrator has to do something, with the reason
   */
  async session(): Promise<Session> {
    const until = performance.now() + OPENING_WAIT;
    while (this.#current === undefined) {
      const error = this.#error;
      if (error !== undefined || performance.now() >= until || this.#abort.signal.aborted) {
        const code = error instanceof KayalError && error.code === 'FAILED_PRECONDITION' ? error.code : 'UNAVAILABLE';
        throw new KayalError(code, `pool ${this.config.name} is not available: ${this.reason()}`, { cause: error });
      }
      const timer = deferred<void>();
      const timeout = setTimeout(timer.resolve, until - performance.now());
      await Promise.race([this.#changed.promise, timer.promise]);
      clearTimeout(timeout);
    }
    return this.#current.session;
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = deferred();
  }

  async #run(): Promise<void> {
    let retry = FIRST_RETRY;
    const late = setTimeout(() => void this.#remember(), OPENING_WAIT).unref();
    while (!this.#abort.signal.aborted) {
      const ended = deferred<Error>();
      try {
        this.#current = await this.#open((error) => ended.resolve(error));
        this.#error = undefined;
        clearTimeout(late);
        this.#remembering.resolve();
        retry = FIRST_RETRY;
        this.#options.log.info({ volumes: this.#current.session.catalog.volumeCount }, 'pool open');
        this.#notify();
        this.#options.onOpen(this.#current.session);
        const error = await Promise.race([ended.promise, this.#stopping.promise]);
        const open = this.#current;
        this.#current = undefined;
        this.#error = this.#abort.signal.aborted ? unavailable('the controller is stopping') : error;
        await open.close(this.#abort.signal.aborted);
        if (!this.#abort.signal.aborted) {
          this.#options.log.warn({ error: messageOf(error) }, 'pool closed, opening it again');
        }
      } catch (error) {
        this.#error = error instanceof Error ? error : new Error(String(error));
        if (!this.#abort.signal.aborted) this.#options.log.warn({ error: messageOf(error) }, 'pool not available');
        this.#notify();
        void this.#remember();
        await this.#sleep(retry);
        retry = Math.min(retry * 2, LAST_RETRY);
      }
    }
    clearTimeout(late);
    this.#notify();
  }

  /** Reads what an earlier process knew, once, and only when the pool is not there to ask: of many volumes it takes seconds. */
  #remember(): Promise<void> {
    this.#reading ??= this.#remembered().finally(() => this.#remembering.resolve());
    return this.#reading;
  }

  async #remembered(): Promise<void> {
    const catalog = new Catalog();
    try {
      for (const record of await this.#options.known.volumesOf(this.config.name)) catalog.put(record);
    } catch (error) {
      this.#options.log.warn({ error: messageOf(error) }, 'what was known of the volumes cannot be read');
    }
    this.#rememberedCatalog = catalog;
  }

  async #sleep(ms: number): Promise<void> {
    const over = deferred<void>();
    const timer = setTimeout(over.resolve, ms);
    await Promise.race([over.promise, this.#stopping.promise]);
    clearTimeout(timer);
  }

  async #open(fail: (error: Error) => void): Promise<OpenSession> {
    const { tree, background } = await this.#options.attach();
    try {
      return await this.#openOn({ tree, background, fail });
    } catch (error) {
      await background.close();
      throw error;
    }
  }

  async #openOn({ tree, background, fail }: Pick<Session, 'tree' | 'background' | 'fail'>): Promise<OpenSession> {
    const { config, installation, node, self, known, log } = this.#options;
    // Before anything is read: what a list does not show is not there, for the lease and the ledger alike.
    await assertWhole(config, tree);
    await checkPool(config, tree, installation, known);
    const lease = await Lease.acquire({
      tree,
      pool: config.name,
      node,
      self,
      log,
      signal: this.#abort.signal,
      onWaiting: (holder) => {
        this.#error = unavailable(`its lease is held by the controller on ${holder}`);
        this.#notify();
        void this.#remember();
      },
    });
    let opened: QuotaMechanism | undefined;
    try {
      const mechanismFor = async (recorded: MechanismName | undefined): Promise<QuotaMechanism> => {
        opened = await this.#options.mechanismFor(tree, recorded);
        return opened;
      };
      const { file, mechanism } = await preparePool({ config, tree, lease, installation, mechanismFor });
      await known.remember(config.name, file.id);
      const catalog = new Catalog();
      const snapshots = new SnapshotCatalog(catalog);
      const jobs = new ContentJobs();
      const capacity = new Capacity({
        pool: config.name,
        overcommit: config.overcommit,
        tree,
        catalog,
        copies: mechanism.copiesOnOneFilesystem,
      });
      let purgeSoon: () => void = () => undefined;
      const session: Session = {
        config,
        poolFile: file,
        tree,
        background,
        mechanism,
        bricks: countsSharedBlocks(mechanism.name) ? this.#options.bricks : undefined,
        halfRenames: this.#options.halfRenames,
        lease,
        catalog,
        snapshots,
        capacity,
        log,
        jobs,
        openSource: this.#options.openSource,
        locks: new KeyLock(),
        fail,
        purgeSoon: () => purgeSoon(),
      };
      lease.onLost(fail);
      await emptyFence(session);
      await loadCatalog({ tree, catalog, snapshots, capacity, mechanism, log });
      await assertWhole(config, tree);
      await trashForgottenCopies(session);
      await capacity.refresh();
      this.#seenCatalog = catalog;
      this.#seenSnapshots = snapshots;
      const purge = new Purge(session, background);
      purgeSoon = () => purge.wake();
      const sampler = new UsageSampler(session, background);
      const timers = this.#startBackground(session);
      purge.wake();
      void sampler.run();
      // So that the first copy does not wait for the connections.
      void session.bricks?.get();
      return {
        session,
        close: async (release) => {
          for (const timer of timers) clearInterval(timer);
          purge.close();
          sampler.close();
          await jobs.close();
          await Promise.all([background.close(), mechanism.close?.()]);
          await this.#options.known.rememberVolumes(config.name, [...catalog.records()]).catch(() => undefined);
          await lease.close(release);
        },
      };
    } catch (error) {
      await opened?.close?.();
      await lease.close(true);
      throw error;
    }
  }

  #startBackground(session: Session): NodeJS.Timeout[] {
    const every = (ms: number, what: string, work: () => Promise<void>): NodeJS.Timeout => {
      let busy = false;
      const tick = async (): Promise<void> => {
        if (busy) return;
        busy = true;
        try {
          await work();
        } catch (error) {
          session.log.warn({ error: messageOf(error) }, what);
        } finally {
          busy = false;
        }
      };
      void tick();
      return setInterval(() => void tick(), ms).unref();
    };
    const lookEvery = session.config.inlineVolumes === undefined ? REQUESTS_EVERY : INLINE_REQUESTS_EVERY;
    let remembered = 0;
    const remember = async (): Promise<void> => {
      const { catalog } = session;
      if (catalog.version === remembered) return;
      remembered = catalog.version;
      await this.#options.known.rememberVolumes(this.config.name, [...catalog.records()]);
    };
    return [
      every(REMEMBER_EVERY, 'volumes not remembered', remember),
      every(lookEvery, 'requests of nodes not answered', () => answerRequests(session)),
      every(REQUESTS_EVERY, 'tasks of commands not done', () => answerTasks(session)),
      every(SWEEP_EVERY, 'unfinished operations not finished', () => finishUnfinished(session)),
    ];
  }

  /** Gives the lease up and ends all work; calls that are under way fail as UNAVAILABLE. */
  async close(): Promise<void> {
    this.#abort.abort();
    this.#stopping.resolve(unavailable('the controller is stopping'));
    this.#remembering.resolve();
    await this.#running;
  }
}
