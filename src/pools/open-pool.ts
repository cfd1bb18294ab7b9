import type { Tree } from '../linux/tree.js';
import type { MountLocation } from './mount-location.js';
import type { PoolFile } from './pool-file.js';
import type { PoolConfig } from './types.js';

/** A pool that is reachable on this machine, whatever its type. */
export interface OpenPool {
  readonly tree: Tree;
  readonly location: MountLocation;
  /** False when the process behind the mount is gone; costs no system call. */
  readonly isAlive: () => boolean;
  /** Ends what was started for it; the tree is closed by whoever opened the pool. */
  readonly stop: () => Promise<void>;
}

/** A pool that can be used on this machine. Good until the next `attach` of the pool gives another one. */
export interface Attachment {
  readonly pool: PoolConfig;
  readonly tree: Tree;
  /** Absolute path of the pool's root here. */
  readonly root: string;
  readonly location: MountLocation;
  /** What the pool says it is; absent for control mounts, whose user checks it, and for static-only pools. */
  readonly identity?: PoolFile | undefined;
}
