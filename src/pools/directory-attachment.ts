import { posix } from 'node:path';
import { failedPrecondition, isErrno, unavailable } from '../base/errors.js';
import type { IoWorkers } from '../linux/io-workers.js';
import { readMountinfo } from '../linux/mountinfo.js';
import { Tree } from '../linux/tree.js';
import { locate, type MountLocation } from './mount-location.js';
import type { OpenPool } from './open-pool.js';
import type { DirectoryPoolConfig } from './types.js';

export interface DirectoryAttachmentOptions {
  readonly pool: DirectoryPoolConfig;
  readonly nodeId: string;
  readonly io: IoWorkers;
}

/**
 * Binds are recognised by the pool's path inside its filesystem, which mountinfo gives without symlinks. Components
 * above the mount point are free of them (mountinfo prints real paths); those below it are looked at here.
 */
async function checkNoSymlinks(
  { pool, io }: DirectoryAttachmentOptions,
  location: MountLocation,
  tree: Tree,
): Promise<void> {
  const mount = await Tree.open(io, pool.name, location.target);
  try {
    const [direct, own] = [await mount.stat(posix.relative(location.target, pool.path)), await tree.stat('.')];
    if (direct?.ino === own?.ino && tree.dev === location.dev) return;
  } catch (error) {
    if (!isErrno(error, 'ELOOP', 'EXDEV')) throw error;
  } finally {
    await mount.close();
  }
  throw failedPrecondition(
    `pool ${pool.name}: ${pool.path} goes through a symbolic link; give the real path (readlink -f ${pool.path})`,
  );
}

/**
 * Opens the directory of a pool.
 * @throws KayalError FAILED_PRECONDITION when the configuration says that it is not here, UNAVAILABLE when it is missing
 */
export async function openDirectory(options: DirectoryAttachmentOptions): Promise<OpenPool> {
  const { pool, nodeId, io } = options;
  if (pool.node !== undefined && pool.node !== nodeId) {
    throw failedPrecondition(
      `pool ${pool.name} is a directory of node ${JSON.stringify(pool.node)} alone, this is node ` +
        `${JSON.stringify(nodeId)}: let the pod run there, or use a pool that all nodes reach`,
    );
  }
  const location = locate(await readMountinfo(), pool.path);
  if (location === undefined || (pool.requireMount && location.target === '/')) {
    throw unavailable(
      `pool ${pool.name}: nothing is mounted at ${pool.path}, it lies on the root filesystem: mount it, or set ` +
        'requireMount: false if its place is there',
    );
  }
  let tree: Tree;
  try {
    tree = await Tree.open(io, pool.name, pool.path);
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw error;
    throw unavailable(
      `pool ${pool.name}: ${pool.path} is not a directory (${error.code}): make it, or correct the path`,
      {
        cause: error,
      },
    );
  }
  try {
    await checkNoSymlinks(options, location, tree);
  } catch (error) {
    await tree.close();
    throw error;
  }
  return { tree, location, isAlive: () => true, stop: () => Promise.resolve() };
}
