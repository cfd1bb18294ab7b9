import type { Logger } from '../../base/logger.js';
import type { Tree } from '../../linux/tree.js';
import type { PoolConfig } from '../../pools/types.js';
import type { QuotaMechanism } from '../../quota/mechanism.js';
import { Capacity } from '../pool/capacity.js';
import { Catalog } from '../records/catalog.js';
import { loadCatalog } from './load.js';
import { SnapshotCatalog } from '../records/snapshot-catalog.js';

export interface ReadPoolOptions {
  readonly tree: Tree;
  readonly config: Pick<PoolConfig, 'name' | 'overcommit'>;
  readonly mechanism: QuotaMechanism;
  readonly log: Logger;
}

/** The records of a pool for those who only look: without the lease, as they are on disk at this moment. */
export async function readPool(
  options: ReadPoolOptions,
): Promise<{ readonly catalog: Catalog; readonly snapshots: SnapshotCatalog }> {
  const { tree, config, mechanism, log } = options;
  const catalog = new Catalog();
  const snapshots = new SnapshotCatalog(catalog);
  const capacity = new Capacity({
    pool: config.name,
    overcommit: config.overcommit,
    tree,
    catalog,
    copies: mechanism.copiesOnOneFilesystem,
  });
  await loadCatalog({ tree, catalog, snapshots, capacity, mechanism, log });
  return { catalog, snapshots };
}
