import { join } from 'node:path';
import { messageOf, unavailable } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { bricksKey, type BrickPlaces } from '../linux/brick-connection.js';
import { IoWorkers } from '../linux/io-workers.js';
import type { ManagedPoolConfig } from '../pools/types.js';
import type { MechanismName } from '../quota/mechanism.js';
import { BrickReadiness } from './brick-readiness.js';
import type { Daemon } from './daemon.js';
import { DirectoryLock } from './directory-lock.js';
import { HalfMadeWatch } from './half-made-watch.js';
import { pendingDisperseHeals } from './disperse-heals.js';
import { pendingHealsOf } from './heal-info.js';
import { refuseForeignBrickProcesses } from './pool-presence.js';
import { brickClientPath, poolPaths, preparePoolProcesses, removeRuntimeFiles } from './pool-processes.js';
import type { PoolProcesses } from './pool-processes.js';
import { setUpPool } from './pool-setup.js';
import { makePrivateDirectory } from './private-files.js';
import { renewProcesses } from './renew.js';
import { checkBrickTlsFiles } from './tls-files.js';
import { requireMechanism } from './version.js';
import { numberedBricks } from './volfile/cluster.js';
import { bricksNeeded, groupsOf, shapeOf, type GroupShape } from './volfile/group-shape.js';
import { needsSelfHeal } from './volfile/self-heal.js';
import type { BrickGroup, PoolLayout } from './volfile/layout.js';

export interface ManagedPoolOptions {
  readonly config: ManagedPoolConfig;
  readonly quota: MechanismName;
  /** Mode 0700: volfiles, logs, pid files and credentials of this pool. */
  readonly directory: string;
  readonly log: Logger;
  /** For the bricks' labels; without it the pool has threads of its own. */
  readonly io?: IoWorkers;
}

export interface BrickStatus {
  readonly path: string;
  readonly port: number;
  /** Whether its process runs and has been seen to accept connections. */
  readonly up: boolean;
  readonly pid?: number;
  /** Why it is not up, when that is known. */
  readonly reason?: string;
}

interface Parts {
  readonly options: ManagedPoolOptions;
  readonly lock: DirectoryLock;
  readonly io: IoWorkers;
  readonly layout: PoolLayout;
}

const sum = (counts: readonly number[]): number => counts.reduce((all, count) => all + count, 0);

/** A pool whose bricks run on this machine, on loopback, without glusterd; its processes outlive this one. */
export class ManagedPool {
  readonly layout: PoolLayout;
  readonly clientVolfile: string;
  readonly controlVolfile: string;
  readonly talksTls: boolean;
  readonly #parts: Parts;
  readonly #readiness = new BrickReadiness();
  #processes: PoolProcesses = { bricks: [], helpers: [] };
  #renewing: Promise<void> = Promise.resolve();
  #halfMade: HalfMadeWatch | undefined;
  #stopped = false;

  private constructor(parts: Parts) {
    const paths = poolPaths(parts.options.directory);
    this.#parts = parts;
    this.layout = parts.layout;
    this.clientVolfile = paths.clientVolfile;
    this.controlVolfile = paths.controlVolfile;
    this.talksTls = parts.layout.tls !== undefined;
  }

  /**
   * Makes the pool when it is new, adopts or starts its processes, and returns when enough bricks are up.
   * @throws KayalError FAILED_PRECONDITION when the bricks are not those of the pool, when another driver has it or
   *   something is not installed; UNAVAILABLE when too few bricks are there, or its certificate does not do
   */
  static async start(options: ManagedPoolOptions): Promise<ManagedPool> {
    const { config, quota, directory, log } = options;
    await requireMechanism(config.name, quota);
    const certificate = config.tls === undefined ? undefined : await checkBrickTlsFiles(config.name, config.tls);
    await makePrivateDirectory(directory);
    const lock = await DirectoryLock.acquire(directory);
    const io = options.io ?? new IoWorkers({ log });
    let pool: ManagedPool | undefined;
    try {
      const { layout, missing } = await setUpPool({ config, quota, directory, io, certificate });
      for (const reason of missing.filter((text) => text !== undefined)) {
        log.error({ reason }, `pool ${config.name}: goes on without a brick`);
      }
      await refuseForeignBrickProcesses(layout, directory);
      pool = new ManagedPool({ options, lock, io, layout });
      await pool.#run();
      return pool;
    } catch (error) {
      // What an earlier driver started may serve somebody, so it is left alone.
      if (pool === undefined) await ManagedPool.#close(options, lock, io);
      else await pool.#end((daemon) => (daemon.adopted ? daemon.release() : daemon.stop()));
      throw error;
    }
  }

  static async #close(options: ManagedPoolOptions, lock: DirectoryLock, io: IoWorkers): Promise<void> {
    if (options.io === undefined) await io.close();
    await lock.release();
  }

  async #run(): Promise<void> {
    const { options, io, layout } = this.#parts;
    const { directory, log } = options;
    this.#processes = await preparePoolProcesses({
      layout,
      directory,
      io,
      log,
      onBrickStart: (index) => void this.#awaitReady(index),
    });
    const { bricks, helpers } = this.#processes;
    const all = [...bricks, ...helpers];
    const found = await Promise.all(all.map(async (daemon) => ({ daemon, was: await daemon.adopt() })));
    const isCut = found.some(({ was }) => was === 'incompatible');
    // One after the other would leave no majority that can talk to one another.
    if (isCut) await Promise.all(found.map(({ daemon }) => daemon.stop()));
    await Promise.all(bricks.map((daemon) => daemon.start()));
    await this.#awaitGroups();
    // They would try again only after seconds if they came before the bricks.
    await Promise.all(helpers.map((daemon) => daemon.start()));
    this.#renewing = renewProcesses({
      outdated: found.filter(({ was }) => was === 'outdated' && !isCut).map(({ daemon }) => daemon),
      isReplica: (daemon) => this.#shape.size > 1 && bricks.includes(daemon),
      pendingHeals: () => this.#indexed(),
      stopped: () => this.#stopped,
    }).catch((error: unknown) => {
      log.error({ reason: messageOf(error) }, `pool ${layout.pool}: processes with an old volfile were not restarted`);
    });
    const running = (): string[] => this.bricks().flatMap(({ path, up }) => (up ? [path] : []));
    if (needsSelfHeal(layout))
      this.#halfMade = new HalfMadeWatch({ io, key: bricksKey(layout.pool), bricks: running, log });
  }

  async #awaitReady(index: number): Promise<boolean> {
    const daemon = this.#processes.bricks[index];
    const brick = numberedBricks(this.layout)[index]?.brick;
    return daemon !== undefined && brick !== undefined && this.#readiness.wait(daemon, brick);
  }

  get #shape(): GroupShape {
    return shapeOf(this.#parts.options.config);
  }

  async #awaitGroups(): Promise<void> {
    const { bricks } = this.#processes;
    const up = await Promise.all(bricks.map((_, index) => this.#awaitReady(index)));
    const needed = bricksNeeded(this.#shape);
    if (groupsOf(this.#shape, up).every((group) => group.filter(Boolean).length >= needed)) return;
    const reasons = this.bricks().flatMap(({ path, up: isUp, reason }) =>
      isUp ? [] : [`brick ${path}: ${reason ?? 'it does not listen'}`],
    );
    throw unavailable(`pool ${this.layout.pool}: ${reasons.join('; ')}`);
  }

  bricks(): BrickStatus[] {
    return numberedBricks(this.layout).map(({ index, brick }) => {
      const daemon = this.#processes.bricks[index];
      const pid = daemon?.pid;
      const up = daemon !== undefined && this.#readiness.isReady(daemon);
      const reason = up ? undefined : daemon?.reason;
      return {
        path: brick.path,
        port: brick.port,
        up,
        ...(pid === undefined ? {} : { pid }),
        ...(reason === undefined ? {} : { reason }),
      };
    });
  }

  /** What connections to each brick by itself are made from. */
  brickPlaces(): BrickPlaces {
    const bricks = this.bricks();
    const away = bricks.find(({ up }) => !up);
    const { directory } = this.#parts.options;
    return {
      bricks: bricks.map(({ path }) => path),
      volfiles: bricks.map((_, index) => brickClientPath(directory, index)),
      logFile: join(poolPaths(directory).logs, 'brick-clients.log'),
      groupSize: this.#shape.size,
      needed: bricksNeeded(this.#shape),
      away: away && `brick ${away.path} is away: ${away.reason ?? 'it does not listen'}`,
    };
  }

  /** Entries that wait to be healed, over all bricks of this machine that are there; one file may count on two bricks. */
  async pendingHeals(): Promise<number> {
    if (this.#shape.kind !== 'disperse') return this.#indexed();
    const { io, layout } = this.#parts;
    const count = ({ bricks }: BrickGroup): Promise<number> =>
      pendingDisperseHeals({ io, key: bricksKey(layout.pool), bricks: bricks.map(({ path }) => path) });
    return sum(await Promise.all(layout.groups.map(count)));
  }

  /** What the bricks' indices hold: of a disperse group also files that are being written to, which the restart of another brick would cut. */
  async #indexed(): Promise<number> {
    return sum(await Promise.all(numberedBricks(this.layout).map(({ brick }) => pendingHealsOf(brick.path))));
  }

  /** Lets go of the pool and leaves its processes running, for the next driver to adopt. */
  async release(): Promise<void> {
    await this.#end((daemon) => daemon.release());
  }

  /** Ends every process of the pool and takes its volfiles away; bricks, identity and logs stay. */
  async stop(): Promise<void> {
    await this.#end(
      (daemon) => daemon.stop(),
      () => removeRuntimeFiles(this.layout, this.#parts.options.directory),
    );
  }

  async #end(step: (daemon: Daemon) => Promise<void>, cleanUp?: () => Promise<void>): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    const { options, lock, io } = this.#parts;
    const { bricks, helpers } = this.#processes;
    await Promise.all([this.#renewing, this.#halfMade?.stop()]);
    try {
      // Writers that wait for quotad, and bricks that wait for each other, end best all at once.
      const results = await Promise.allSettled([...bricks, ...helpers].map(step));
      for (const result of results) if (result.status === 'rejected') throw result.reason;
      await cleanUp?.();
    } finally {
      await ManagedPool.#close(options, lock, io);
    }
  }
}
