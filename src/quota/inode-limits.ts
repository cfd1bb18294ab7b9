import { failedPrecondition } from '../base/errors.js';
import type { LimitTarget } from './limit-target.js';

/** How many files and directories volumes may have; their own root is one of them. 0n: as many as there is room for. */
export interface InodeLimits {
  /**
   * Sets the limit of a volume, or takes it away, and reads it back. Repeating it is harmless.
   * @throws KayalError FAILED_PRECONDITION when the limit that is read back is another one
   */
  set(target: LimitTarget, limit: bigint): Promise<void>;
  /** The limit that is in force; undefined when some bricks have another one. */
  get(target: LimitTarget): Promise<bigint | undefined>;
}

const describe = (limit: bigint | undefined): string =>
  limit === undefined ? 'not the same on all bricks' : limit === 0n ? 'none' : String(limit);

/** What differs; undefined when nothing does. */
export function inodeLimitProblem(inForce: bigint | undefined, wanted: bigint): string | undefined {
  if (inForce === wanted) return undefined;
  return `its limit of inodes is ${describe(inForce)}, on record is ${describe(wanted)}`;
}

/** @throws KayalError FAILED_PRECONDITION when the limit that was read back is not the one that was set */
export function assertInodeLimit(where: string, inForce: bigint | undefined, wanted: bigint): void {
  if (inForce === wanted) return;
  throw failedPrecondition(`${where} should have a limit of inodes of ${describe(wanted)}; it is ${describe(inForce)}`);
}
