import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { driverPaths } from './driver.js';
import { loopDirectory } from './loop-directory.js';
import type { OpenDriverOptions } from './open-driver.js';
import { directoryPool, singleBrickPool } from './pool-configs.js';

/** A directory pool `dir` of 64 MiB without limits and a managed pool `fast` (replica 1, gluster quota), for one driver. */
export interface TwoPools {
  readonly options: OpenDriverOptions;
  readonly directory: string;
  /** Where the tree of `dir` is. */
  readonly path: string;
  /** The driver's control mount of `fast`, there while it runs. */
  readonly controlMount: string;
  /** After the driver has ended. */
  remove(): Promise<void>;
}

/** @param prefix of the directory's name; short, as sockets lie below it (unix(7)) */
export async function twoPools(prefix: string): Promise<TwoPools> {
  const directory = await mkdtemp(join(tmpdir(), prefix));
  const disk = await loopDirectory(directory, 'pool', 64);
  const fast = await singleBrickPool(directory, 'fast', { quota: 'gluster' });
  return {
    options: { directory, pools: [directoryPool('dir', disk.path), fast] },
    directory,
    path: disk.path,
    controlMount: join(driverPaths(directory).stateDir, 'control/fast/mnt'),
    remove: () => disk.remove(),
  };
}
