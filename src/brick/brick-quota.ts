import { dirname } from 'node:path';
import { isErrno } from '../base/errors.js';
import { recordedQuota } from '../gluster/pool-setup.js';
import { shapeOf } from '../gluster/volfile/group-shape.js';
import { bricksKey } from '../linux/brick-connection.js';
import type { IoWorkers } from '../linux/io-workers.js';
import { supported } from '../linux/project-quota.js';
import { Tree } from '../linux/tree.js';
import type { ManagedPoolConfig } from '../pools/types.js';
import type { MechanismName } from '../quota/mechanism.js';

/** The nearest directory that exists: a brick of a new pool is only made when the pool starts. */
async function openNearest(io: IoWorkers, key: string, path: string): Promise<Tree> {
  for (let at = path; ; at = dirname(at)) {
    try {
      return await Tree.open(io, key, at);
    } catch (error) {
      if (at === '/' || !isErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
    }
  }
}

async function hasProjectQuota(io: IoWorkers, key: string, brick: string): Promise<boolean> {
  const tree = await openNearest(io, key, brick);
  try {
    const support = await supported(tree);
    // A brick's glusterfsd writes as root, so limits that do not bind root (ext4) do not bind anybody.
    return support.ok && support.limitsRoot;
  } finally {
    await tree.close();
  }
}

/**
 * The mechanism that the graph of a managed pool is built for: the one it was made for, else the config's. `auto`:
 * project quota where there is one group of bricks and every brick's filesystem has it, else GlusterFS' own quota, which every
 * version has and which counts over all groups.
 * @param directory the pool's own below the state directory
 */
export async function brickQuota(config: ManagedPoolConfig, directory: string, io: IoWorkers): Promise<MechanismName> {
  if (config.quota !== 'auto') return config.quota;
  const recorded = await recordedQuota({ config, directory, io });
  if (recorded !== undefined) return recorded;
  if (config.bricks.length > shapeOf(config).size) return 'gluster';
  const found = await Promise.all(config.bricks.map((brick) => hasProjectQuota(io, bricksKey(config.name), brick)));
  return found.every(Boolean) ? 'project' : 'gluster';
}
