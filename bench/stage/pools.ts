import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { loopDirectory, type LoopDirectory } from '../../test/lib/loop-directory.js';
import type { PoolKeys } from '../../test/lib/pool-configs.js';

/** A directory; bricks that Kayal runs, one, or three that hold the same. */
export const POOL_NAMES = ['directory', 'replica1', 'replica3'] as const;
export type PoolName = (typeof POOL_NAMES)[number];

/** `none` for copies, as no mechanism that this bench can count on counts shared blocks. */
export type PoolQuota = 'default' | 'none';

export interface PoolPlace {
  readonly keys: PoolKeys;
  readonly bricks: readonly string[];
  readonly disks: readonly LoopDirectory[];
}

const BRICKS: Readonly<Record<PoolName, number>> = { directory: 0, replica1: 1, replica3: 3 };

/**
 * Makes a pool's directories and says how it stands in the config.
 * @param xfsMiB puts each brick on an XFS of its own, as large and sparse; absent: they share the run's filesystem
 */
export async function preparePlace(
  directory: string,
  name: PoolName,
  quota: PoolQuota = 'default',
  xfsMiB?: number,
): Promise<PoolPlace> {
  if (name === 'directory') {
    const path = join(directory, 'tree');
    await mkdir(path);
    const keys = { name: 'pool', type: 'directory', path, shared: true, requireMount: false, quota: 'none' };
    return { keys, bricks: [], disks: [] };
  }
  const disks: LoopDirectory[] = [];
  const bricks: string[] = [];
  for (let n = 1; n <= BRICKS[name]; n++) {
    let base = directory;
    if (xfsMiB !== undefined) {
      const disk = await loopDirectory(directory, `d${n}`, xfsMiB, 'xfs');
      disks.push(disk);
      base = disk.path;
    }
    const brick = join(base, `brick${n}`);
    await mkdir(brick);
    bricks.push(brick);
  }
  const limits = quota === 'none' ? { quota: 'none' } : { quota: 'gluster' };
  return { keys: { name: 'pool', type: 'managed', replica: BRICKS[name], bricks, ...limits }, bricks, disks };
}
