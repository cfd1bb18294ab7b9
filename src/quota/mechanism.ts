import type { InodeLimits } from './inode-limits.js';
import type { LimitTarget } from './limit-target.js';

/** The quota mechanisms of design.md; `none` keeps no limit. */
export type MechanismName = 'project' | 'gluster' | 'simple' | 'none';

/** What a mechanism measures of one volume, in bytes; inodes only where the mechanism counts them. */
export interface VolumeUsage {
  readonly total: bigint;
  readonly used: bigint;
  readonly available: bigint;
  readonly inodes?: { readonly total: bigint; readonly used: bigint; readonly available: bigint } | undefined;
}

/** How the limits of one pool are set, verified and taken away. The holder of the pool's lease is its only user. */
export interface QuotaMechanism {
  readonly name: MechanismName;
  /** The smallest limit this mechanism keeps on this pool, in bytes. */
  readonly minimumBytes: bigint;
  /** By how much the limit in force may exceed the one that was set, in bytes, as blocks are whole; absent: 64 KiB. */
  readonly limitRounding?: bigint | undefined;
  /**
   * How many copies of the pool's data lie on one filesystem, where statfs of the pool does not take that into account;
   * absent: one.
   */
  readonly copiesOnOneFilesystem?: number | undefined;
  /**
   * Finds out, on the pool itself, whether limits set by this mechanism are kept.
   * @throws KayalError FAILED_PRECONDITION that says why not and what the pool's administrator has to do
   */
  probe(): Promise<void>;
  /** A project id that no volume, trash or foreign data of the pool uses; undefined for mechanisms without ids. */
  allocate(used: ReadonlySet<number>): Promise<number | undefined>;
  /**
   * Sets the limit of a directory and reads it back. Repeating it is harmless.
   * @throws KayalError FAILED_PRECONDITION when the limit that is read back is another one
   */
  set(target: LimitTarget, limitBytes: bigint): Promise<void>;
  /** The limit that is in force, in bytes; undefined when there is none. */
  get(target: LimitTarget): Promise<bigint | undefined>;
  /** Takes the limit away once the data is gone (frees the project id); OK when there is none. */
  clear(target: LimitTarget): Promise<void>;
  /** Absent: the mechanism limits space alone. */
  readonly inodes?: InodeLimits | undefined;
  /** Lets go of what it keeps open of its own; absent: nothing. Called once, by whoever had it made, after its last use. */
  close?(): Promise<void>;
}
