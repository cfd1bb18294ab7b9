import { randomUUID } from 'node:crypto';
import { unavailable } from '../../base/errors.js';
import type { Tree } from '../../linux/tree.js';
import {
  POOL_FILE,
  POOL_FORMAT,
  checkOwner,
  formatPoolFile,
  readPoolFile,
  type PoolFile,
} from '../../pools/pool-file.js';
import type { PoolConfig } from '../../pools/types.js';
import type { MechanismName, QuotaMechanism } from '../../quota/mechanism.js';
import type { KnownPools } from './known-pools.js';
import { LEASES_DIRECTORY, POOL_DIRECTORIES, VOLUMES_DIRECTORY } from '../records/layout.js';
import type { Lease } from './lease.js';

/**
 * Before the lease: refuses a pool that is not ours or not the one it was, and makes the place where the lease lies.
 * @throws KayalError FAILED_PRECONDITION, UNAVAILABLE
 */
export async function checkPool(
  config: PoolConfig,
  tree: Tree,
  installation: string,
  known: KnownPools,
): Promise<PoolFile | undefined> {
  const file = await readPoolFile(tree);
  const knownId = await known.idOf(config.name);
  if (file !== undefined) checkOwner(config.name, file, installation);
  if (knownId !== undefined && file?.id !== knownId) {
    throw unavailable(
      `pool ${config.name}: ${tree.root} ${file === undefined ? 'has no .kayal/pool.json' : `holds pool id ${file.id}`}, ` +
        `pool id ${knownId} was there before: mount the right filesystem or volume; if the pool was really replaced, ` +
        `run "kayal pool forget ${config.name} --config FILE"`,
    );
  }
  await tree.mkdirs(LEASES_DIRECTORY, 0o700);
  return file;
}

export interface PrepareOptions {
  readonly config: PoolConfig;
  readonly tree: Tree;
  readonly lease: Lease;
  readonly installation: string;
  /** The mechanism on record, or the one that the config and the pool allow; probed. */
  readonly mechanismFor: (recorded: MechanismName | undefined) => Promise<QuotaMechanism>;
}

/** Under the lease: makes Kayal's directories and, once, `pool.json` with the mechanism that works. */
export async function preparePool(options: PrepareOptions): Promise<{ file: PoolFile; mechanism: QuotaMechanism }> {
  const { config, tree, lease, installation } = options;
  for (const directory of POOL_DIRECTORIES) await tree.mkdir(directory, 0o700);
  // Tenants' processes pass through it on the way to nowhere: they only ever see their own volume's bind mount.
  await tree.mkdir(VOLUMES_DIRECTORY, 0o711);
  const existing = await readPoolFile(tree);
  const mechanism = await options.mechanismFor(existing?.mechanism);
  if (existing !== undefined) return { file: existing, mechanism };
  const file: PoolFile = {
    formatVersion: POOL_FORMAT,
    id: randomUUID(),
    name: config.name,
    owner: installation,
    mechanism: mechanism.name,
    createdAt: new Date().toISOString(),
  };
  if (!(await tree.createFile(lease.temporary('pool'), POOL_FILE, formatPoolFile(file)))) {
    throw unavailable(`pool ${config.name}: another controller prepared it at the same time; trying again`);
  }
  return { file, mechanism };
}
