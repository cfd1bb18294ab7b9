import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { loopDirectory, type LoopDirectory } from '../../lib/loop-directory.js';
import { mountMemoryDisk } from '../../runner/memory-disk.js';
import type { Machine } from './machine.js';

/** Where every node has it. */
export const SHARED_PATH = '/mnt/shared';

/** A file system that all nodes see at the same path, as they would an NFS share. It is small enough to fill it. */
export async function createSharedDirectory(directory: string): Promise<LoopDirectory> {
  const base = join(directory, 'shared');
  await mkdir(base);
  await mountMemoryDisk(base, { sizeMiB: 1024, neededMiB: 2048 });
  return loopDirectory(base, 'pool', 512);
}

/** Mounts it on a machine, which started after it was made. */
export async function mountShared(machine: Machine, shared: string): Promise<void> {
  await machine.mustRun(['mkdir', '-p', SHARED_PATH]);
  await machine.mustRun(['mount', '--bind', shared, SHARED_PATH]);
}
