import { mkdir, mkdtemp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readMountinfo } from '../../src/linux/mountinfo.js';
import { driverPaths, type Driver } from '../../test/lib/driver.js';
import { startOpen } from '../../test/lib/open-driver.js';
import { removeDirectory } from '../../test/lib/run-directory.js';
import { removeLeftovers } from '../../test/lib/leftovers.js';
import { waitFor } from '../../test/lib/wait.js';
import { CsiSocket } from '../load/csi-socket.js';
import { VolumeLoad } from '../load/volumes.js';
import { preparePlace, type PoolName, type PoolPlace, type PoolQuota } from './pools.js';

/** As the image sets it; for the floor, too. */
export const IMAGE_ENVIRONMENT = { NODE_OPTIONS: '--max-semi-space-size=4', MALLOC_ARENA_MAX: '2' };
/** A volume that stays staged, so that the client of the pool does. */
const KEEPER = 'keeper';

export interface StageOptions {
  /** Of the run. */
  readonly base: string;
  readonly pool: PoolName;
  readonly quota?: PoolQuota | undefined;
  readonly xfsMiB?: number | undefined;
}

type StageParts = Pick<Stage, 'pool' | 'directory' | 'place' | 'load' | 'controlRoot' | 'clientRoot'>;

function startDriver(directory: string, { keys }: PoolPlace): Promise<Driver> {
  return startOpen({ directory, pools: [keys], logLevel: 'info', env: IMAGE_ENVIRONMENT, sourceMaps: false });
}

async function glusterMount(below: string): Promise<string> {
  const found = (await readMountinfo()).find(
    ({ target, fsType }) => fsType === 'fuse.glusterfs' && target.startsWith(`${below}/`) && !target.includes('/pods/'),
  );
  if (found === undefined) throw new Error(`no GlusterFS client is mounted below ${below}`);
  return found.target;
}

/** A pool with nothing in it, and `kayal all` that serves it. */
export class Stage {
  readonly pool: PoolName;
  readonly directory: string;
  readonly place: PoolPlace;
  readonly load: VolumeLoad;
  /** The pool's root as the controller has it, and as pods' volumes are bound from. */
  readonly controlRoot: string;
  readonly clientRoot: string;
  #driver: Driver;

  private constructor(driver: Driver, parts: StageParts) {
    this.#driver = driver;
    this.pool = parts.pool;
    this.directory = parts.directory;
    this.place = parts.place;
    this.load = parts.load;
    this.controlRoot = parts.controlRoot;
    this.clientRoot = parts.clientRoot;
  }

  static async start({ base, pool, quota, xfsMiB }: StageOptions): Promise<Stage> {
    const directory = await mkdtemp(join(base, 's-'));
    const place = await preparePlace(directory, pool, quota, xfsMiB);
    const driver = await startDriver(directory, place);
    const { socket, stateDir, kubeletDir } = driverPaths(directory);
    const load = new VolumeLoad({
      name: 'kayal',
      socket: new CsiSocket(socket),
      parameters: {},
      directory: join(kubeletDir, 'load'),
    });
    await load.createOne(KEEPER);
    await load.prepareTargets([KEEPER]);
    await load.publishOne(KEEPER);
    const roots =
      pool === 'directory'
        ? { controlRoot: join(directory, 'tree'), clientRoot: join(directory, 'tree') }
        : { controlRoot: await glusterMount(stateDir), clientRoot: await glusterMount(kubeletDir) };
    return new Stage(driver, { pool, directory, place, load, ...roots });
  }

  /** Which limits the floor has to set, too. */
  get quota(): 'gluster' | 'none' {
    return this.place.keys['quota'] === 'gluster' ? 'gluster' : 'none';
  }

  /** A directory of the pool that is no volume, where the floor does its work. */
  async floorRoot(name: string, root: string = this.controlRoot): Promise<string> {
    const path = join(root, `floor-${name}`);
    await mkdir(join(path, 'trash'), { recursive: true });
    return path;
  }

  /** Until everything that was deleted is purged, so that the next round has the machine to itself. */
  async settled(): Promise<void> {
    await waitFor(
      'the end of the purge',
      async () => ((await readdir(join(this.controlRoot, '.kayal/trash'))).length === 0 ? true : undefined),
      { timeoutMs: 600_000 },
    );
  }

  /** Ends the driver and starts the next one. @returns ms from its start until it manages the pool */
  async restart(): Promise<number> {
    await this.#driver.stop();
    const since = performance.now();
    this.#driver = await startDriver(this.directory, this.place);
    return performance.now() - since;
  }

  /** Ends everything of it, and takes its files away. */
  async stop(): Promise<void> {
    try {
      await this.load.unpublish([KEEPER], 1);
      await this.load.unstage([KEEPER]);
      this.load.socket.close();
      await this.#driver.stop();
    } finally {
      await removeLeftovers(this.directory);
      await removeDirectory(this.directory);
    }
  }
}
