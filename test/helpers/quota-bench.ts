import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GlusterClient } from '../../src/gluster/client.js';
import { ManagedPool } from '../../src/gluster/managed-pool.js';
import { shapeOf, type GroupWish } from '../../src/gluster/volfile/group-shape.js';
import { IoWorkers } from '../../src/linux/io-workers.js';
import { quiet } from '../../src/linux/testing.js';
import { Tree } from '../../src/linux/tree.js';
import type { ManagedPoolConfig } from '../../src/pools/types.js';
import type { MechanismName, QuotaMechanism } from '../../src/quota/mechanism.js';
import { removeLeftovers } from '../lib/leftovers.js';

const POOL = 'lagoon';

export interface QuotaBenchOptions extends GroupWish {
  readonly quota: MechanismName;
  /** How many groups of bricks; default 1. */
  readonly groups?: number;
  readonly quotaStrict?: boolean;
  readonly quotaProfile?: ManagedPoolConfig['quotaProfile'];
  /** Absolute paths of the bricks; made below the bench's directory when absent. */
  readonly bricks?: readonly string[];
}

/** A managed pool without a driver: its bricks, a client mount as nodes have it, and a control mount. */
export class QuotaBench {
  readonly io: IoWorkers;
  readonly directory: string;
  readonly bricks: readonly string[];
  /** The pool's root on the client mount. */
  readonly client: Tree;
  readonly control: Tree;
  readonly #pool: ManagedPool;
  readonly #clients: readonly GlusterClient[];
  #volumes = 0;

  private constructor(parts: {
    io: IoWorkers;
    directory: string;
    bricks: readonly string[];
    client: Tree;
    control: Tree;
    pool: ManagedPool;
    clients: readonly GlusterClient[];
  }) {
    this.io = parts.io;
    this.directory = parts.directory;
    this.bricks = parts.bricks;
    this.client = parts.client;
    this.control = parts.control;
    this.#pool = parts.pool;
    this.#clients = parts.clients;
  }

  static async start(options: QuotaBenchOptions): Promise<QuotaBench> {
    const { quota, replica, arbiter, disperse, groups = 1 } = options;
    const count = groups * shapeOf(options).size;
    const directory = await mkdtemp(join(tmpdir(), 'quota-'));
    const io = new IoWorkers({ log: quiet });
    const bricks = options.bricks ?? Array.from({ length: count }, (_, index) => join(directory, `brick-${index + 1}`));
    const config: ManagedPoolConfig = {
      name: POOL,
      type: 'managed',
      quota,
      overcommit: 1,
      staticOnly: false,
      replica,
      arbiter,
      disperse,
      bricks,
      clientCache: true,
      quotaStrict: options.quotaStrict ?? false,
      quotaProfile: options.quotaProfile ?? 'exact',
    };
    const pool = await ManagedPool.start({ config, quota, directory: join(directory, 'gluster'), log: quiet, io });
    const mount = async (name: string, control: boolean): Promise<GlusterClient> => {
      const mountPoint = join(directory, name);
      await mkdir(mountPoint);
      const path = control ? pool.controlVolfile : pool.clientVolfile;
      const client = await GlusterClient.start({
        name: POOL,
        mountPoint,
        source: { kind: 'volfile', path },
        options: {},
        control,
        directory: join(directory, `${name}-state`),
        log: quiet,
        io,
      });
      return client;
    };
    try {
      const clients = [await mount('client', false), await mount('control', true)];
      const client = await Tree.open(io, POOL, join(directory, 'client'));
      const control = await Tree.open(io, `${POOL}#control`, join(directory, 'control'));
      return new QuotaBench({ io, directory, bricks, client, control, pool, clients });
    } catch (error) {
      await pool.stop();
      await io.close();
      await removeLeftovers(directory);
      throw error;
    }
  }

  /**
   * Makes a volume where Kayal puts them, with a limit.
   * @returns its path in the pool and on the client mount
   */
  async addVolume(mechanism: QuotaMechanism, limitBytes: bigint): Promise<{ path: string; directory: string }> {
    const path = `volumes/ab/volume-${this.#volumes++}`;
    await this.control.mkdirs(path, 0o777);
    await mechanism.set({ path, projectId: await mechanism.allocate(new Set()) }, limitBytes);
    const directory = join(this.client.root, path);
    await chmod(directory, 0o777);
    return { path, directory };
  }

  async stop(): Promise<void> {
    await this.client.close();
    await this.control.close();
    for (const client of this.#clients) await client.stop();
    await this.#pool.stop();
    await this.io.close();
    await removeLeftovers(this.directory);
    await rm(this.directory, { recursive: true });
  }
}
