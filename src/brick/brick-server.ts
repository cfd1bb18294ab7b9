import { dirname } from 'node:path';
import { messageOf } from '../base/errors.js';
import { BrickReadiness } from '../gluster/brick-readiness.js';
import type { Daemon } from '../gluster/daemon.js';
import { DirectoryLock } from '../gluster/directory-lock.js';
import { HalfMadeWatch } from '../gluster/half-made-watch.js';
import { pendingHealsOf } from '../gluster/heal-info.js';
import { refuseForeignBrickProcesses } from '../gluster/pool-presence.js';
import { preparePoolProcesses, removeRuntimeFiles, type PoolProcesses } from '../gluster/pool-processes.js';
import { makePrivateDirectory } from '../gluster/private-files.js';
import { remoteLayout, remoteQuota } from '../gluster/remote-pool.js';
import { requireMechanism } from '../gluster/version.js';
import { numberedBricks } from '../gluster/volfile/cluster.js';
import type { PoolLayout } from '../gluster/volfile/layout.js';
import { needsSelfHeal } from '../gluster/volfile/self-heal.js';
import { bricksKey } from '../linux/brick-connection.js';
import { unmount } from '../linux/mount.js';
import { Tree, type FsUsage } from '../linux/tree.js';
import { provideBrick, type BrickPlace } from './brick-place.js';

/** `directory` also holds volfiles, logs and pid files. */
export type BrickServerOptions = BrickPlace;

interface Parts {
  readonly options: BrickServerOptions;
  readonly lock: DirectoryLock;
  readonly layout: PoolLayout;
  readonly path: string;
}

const STATFS_DEADLINE_MS = 5_000;

/** One brick of a pool, with what the pool's mechanism and copies need beside it; the other bricks run elsewhere. */
export class BrickServer {
  readonly path: string;
  readonly #parts: Parts;
  readonly #readiness = new BrickReadiness();
  #processes: PoolProcesses = { bricks: [], helpers: [] };
  #halfMade: HalfMadeWatch | undefined;

  private constructor(parts: Parts) {
    this.#parts = parts;
    this.path = parts.path;
  }

  /**
   * Provides the brick, and adopts or starts its processes; they are kept running from then on.
   * @throws KayalError as provideBrick does; FAILED_PRECONDITION also when somebody else serves the brick
   */
  static async start(options: BrickServerOptions): Promise<BrickServer> {
    const { config, index, directory } = options;
    await requireMechanism(config.name, remoteQuota(config));
    await makePrivateDirectory(directory);
    const lock = await DirectoryLock.acquire(directory);
    try {
      const path = await provideBrick(options);
      const layout = remoteLayout(config, index);
      await refuseForeignBrickProcesses(layout, directory, index);
      const server = new BrickServer({ options, lock, layout, path });
      await server.#run();
      return server;
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  async #run(): Promise<void> {
    const { options, layout, path } = this.#parts;
    const { index, directory, io, log } = options;
    this.#processes = await preparePoolProcesses({
      layout,
      directory,
      io,
      log,
      only: index,
      onBrickStart: () => void this.#awaitReady(),
    });
    const { bricks, helpers } = this.#processes;
    for (const daemon of [...bricks, ...helpers]) {
      // Those that an earlier process of this role left, if they are as they should be.
      const found = await daemon.adopt();
      if (found === 'outdated' || found === 'incompatible') await daemon.stop();
      await daemon.start();
    }
    if (!needsSelfHeal(layout)) return;
    const running = (): string[] => (this.problem() === undefined ? [path] : []);
    this.#halfMade = new HalfMadeWatch({ io, key: bricksKey(layout.pool), bricks: running, log });
  }

  get #daemon(): Daemon | undefined {
    return this.#processes.bricks[0];
  }

  async #awaitReady(): Promise<void> {
    const { layout, options } = this.#parts;
    const brick = numberedBricks(layout)[options.index]?.brick;
    if (this.#daemon !== undefined && brick !== undefined) await this.#readiness.wait(this.#daemon, brick);
  }

  /** Why it does not serve; undefined when it does. */
  problem(): string | undefined {
    const daemon = this.#daemon;
    if (daemon !== undefined && this.#readiness.isReady(daemon)) return undefined;
    return daemon?.reason ?? 'it does not listen yet';
  }

  /** Entries that the brick has and knows others to lack. */
  pendingHeals(): Promise<number> {
    return pendingHealsOf(this.path);
  }

  async usage(): Promise<FsUsage> {
    const { io, config } = this.#parts.options;
    const tree = await Tree.open(io, bricksKey(config.name), this.path, { deadlineMs: STATFS_DEADLINE_MS });
    try {
      return await tree.statfs('');
    } finally {
      await tree.close();
    }
  }

  /** Ends its processes, and takes the mount of its device away. */
  async stop(): Promise<void> {
    const { options, lock, layout } = this.#parts;
    const { bricks, helpers } = this.#processes;
    await this.#halfMade?.stop();
    try {
      // Writers that wait for quotad end best with it.
      await Promise.all([...bricks, ...helpers].map((daemon) => daemon.stop()));
      await removeRuntimeFiles(layout, options.directory);
      await this.#unmount();
    } finally {
      await lock.release();
    }
  }

  async #unmount(): Promise<void> {
    const { device, io, config, log } = this.#parts.options;
    if (device === undefined) return;
    try {
      await unmount(io, bricksKey(config.name), dirname(this.path), { detach: false });
    } catch (error) {
      log.warn({ device, error: messageOf(error) }, 'the filesystem of the brick stays mounted');
    }
  }
}
