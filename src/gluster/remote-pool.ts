import { join } from 'node:path';
import { failedPrecondition, invalidArgument } from '../base/errors.js';
import type { PoolVolfiles } from '../pools/gluster-attachment.js';
import type { ManagedPoolConfig, PoolConfig, RemoteBricks } from '../pools/types.js';
import type { MechanismName } from '../quota/mechanism.js';
import { parseBrickAddress } from './brick-address.js';
import { managedLayout } from './managed-layout.js';
import { poolPaths } from './pool-processes.js';
import { LOOPBACK } from './pool-setup.js';
import { makePrivateDirectory, readTextFile, writePrivateFile } from './private-files.js';
import { clientVolfile, controlVolfile } from './volfile/client.js';
import type { BrickLocation, PoolLayout } from './volfile/layout.js';

/** A managed pool whose bricks run elsewhere. */
export type RemotePoolConfig = ManagedPoolConfig & { readonly remote: RemoteBricks };

export function isRemote(pool: ManagedPoolConfig): pool is RemotePoolConfig {
  return pool.remote !== undefined;
}

/**
 * The mechanism that bricks elsewhere are made for. Everybody has to come to the same one, without asking: `auto` is GlusterFS'
 * own quota, which every version has and which counts over all groups.
 */
export function remoteQuota({ quota }: Pick<ManagedPoolConfig, 'quota'>): MechanismName {
  return quota === 'auto' ? 'gluster' : quota;
}

function locationOf({ name, bricks, remote }: RemotePoolConfig, index: number, own: boolean): BrickLocation {
  const address = parseBrickAddress(remote.addresses[index] ?? '');
  if (address === undefined) throw invalidArgument(`pool ${name}: brick ${index} has no address`);
  return { ...address, ...(own ? { host: LOOPBACK } : {}), path: bricks[index] ?? '' };
}

/**
 * The layout of a pool with remote bricks, the same on every machine.
 * @param own the brick that runs on the machine which asks. It is reached there by the loopback address: not every network
 *   leads a pod's connection to its own Service back to it.
 */
export function remoteLayout(config: RemotePoolConfig, own?: number): PoolLayout {
  const { volumeId, credentials } = config.remote;
  const bricks = config.bricks.map((_, index) => locationOf(config, index, index === own));
  return managedLayout({ config, quota: remoteQuota(config), volumeId, credentials, bricks });
}

async function writeIfChanged(path: string, text: string): Promise<void> {
  if ((await readTextFile(path)) !== text) await writePrivateFile(path, text);
}

/**
 * Writes what clients of a pool with remote bricks are started with. Nobody is asked for it, so that a pool is mounted
 * also while nothing answers but its bricks.
 * @param directory of this pool alone; mode 0700
 * @throws KayalError FAILED_PRECONDITION for a pool whose bricks are not remote
 */
export async function remoteVolfiles(config: ManagedPoolConfig, directory: string): Promise<PoolVolfiles> {
  if (!isRemote(config)) throw failedPrecondition(`pool ${config.name}: its bricks are on one machine`);
  const { clientVolfile: client, controlVolfile: control } = poolPaths(directory);
  await makePrivateDirectory(directory);
  const layout = remoteLayout(config);
  await writeIfChanged(client, clientVolfile(layout));
  await writeIfChanged(control, controlVolfile(layout));
  return { clientVolfile: client, controlVolfile: control, talksTls: false };
}

/**
 * remoteVolfiles of the pool of that name; undefined where its bricks are not remote.
 * @param directory of all pools
 */
export async function remoteVolfilesOf(
  pools: readonly PoolConfig[],
  name: string,
  directory: string,
): Promise<PoolVolfiles | undefined> {
  const pool = pools.find((one) => one.name === name);
  if (pool?.type !== 'managed' || !isRemote(pool)) return undefined;
  return remoteVolfiles(pool, join(directory, name));
}
