import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { loopDirectory } from './loop-directory.js';

/** A directory for a node's copies of hybrid volumes, on an XFS of its own. */
export interface HybridDirectory {
  readonly path: string;
  /** What a driver is started with to use it. */
  readonly env: Readonly<Record<string, string>>;
  /** Takes the copy of a volume that is not staged away, as a disk that was replaced does. */
  forget(handle: string): Promise<void>;
  /** What is kept aside: copies with changes that got into no state. */
  aside(): Promise<string[]>;
  remove(): Promise<void>;
}

/** @param base an existing directory */
export async function hybridDirectory(base: string, name: string, sizeMiB = 2_048): Promise<HybridDirectory> {
  const disk = await loopDirectory(base, name, sizeMiB, 'xfs');
  return {
    path: disk.path,
    env: { KAYAL_HYBRID_DIR: disk.path },
    forget: (handle) => rm(join(disk.path, handle), { recursive: true, force: true }),
    aside: () => readdir(join(disk.path, '.aside')).catch(() => []),
    remove: () => disk.remove(),
  };
}
