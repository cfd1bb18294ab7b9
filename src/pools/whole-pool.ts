import { unavailable } from '../base/errors.js';
import { PATHINFO_XATTR, silentBricks } from '../gluster/pathinfo.js';
import { bricksNeeded, groupsOf, shapeOf } from '../gluster/volfile/group-shape.js';
import type { Tree } from '../linux/tree.js';
import type { PoolConfig } from './types.js';

/**
 * Makes sure that all groups of a pool can be read. Of a directory that is distributed over several, cluster/distribute lists
 * what it can and tells nobody of a group that does not answer (dht_readdirp_cbk): whoever takes such a list for the truth
 * would miss records, and a copy would miss files. Costs nothing on a pool of one group.
 * @param tree a mount of the pool
 * @throws KayalError UNAVAILABLE that names the bricks
 */
export async function assertWhole(config: PoolConfig, tree: Tree): Promise<void> {
  if (config.type !== 'managed') return;
  const shape = shapeOf(config);
  const groups = groupsOf(shape, config.bricks);
  // A control client ends with a single brick or a disperse set that it loses; of a replica set it does not notice that too few
  // are left. (Disperse sets have no pathinfo of directories in GlusterFS 10.)
  if (groups.length === 1 || shape.kind === 'disperse') return;
  const pathinfo = (await tree.getXattr('', PATHINFO_XATTR))?.toString('utf8') ?? '';
  const silent = silentBricks(pathinfo, { groups, needed: bricksNeeded(shape) });
  if (silent.length === 0) return;
  throw unavailable(
    `pool ${config.name}: a part of its files cannot be read, as bricks do not answer: ${silent.join(', ')}`,
  );
}
