import { setTimeout as sleep } from 'node:timers/promises';
import { KayalError, SystemError, isErrno, messageOf } from '../../base/errors.js';
import type { KeyLock } from '../../base/key-lock.js';
import type { Logger } from '../../base/logger.js';
import type { BrickLinks } from '../../linux/brick-links.js';
import type { HalfRenames } from '../../linux/half-renames.js';
import type { Tree } from '../../linux/tree.js';
import type { PoolFile } from '../../pools/pool-file.js';
import type { PoolConfig } from '../../pools/types.js';
import type { QuotaMechanism } from '../../quota/mechanism.js';
import type { Capacity } from './capacity.js';
import type { Catalog } from '../records/catalog.js';
import type { ContentJobs } from './content-jobs.js';
import type { ContentSource, OpenSource } from './content-source.js';
import type { Lease } from './lease.js';
import type { SnapshotCatalog } from '../records/snapshot-catalog.js';

/**
 * One pool, open for changes: this controller holds its lease and has read its records. Ends as a whole when it can
 * no longer tell what is on disk; opening the pool again reads the truth, under a new epoch of the lease.
 */
export interface Session {
  readonly config: PoolConfig;
  readonly poolFile: PoolFile;
  readonly tree: Tree;
  /** The same on threads of its own, for work that no call waits for. */
  readonly background: Tree;
  readonly mechanism: QuotaMechanism;
  /** Where files can share blocks on the bricks and the mechanism counts that; absent: content is copied. */
  readonly bricks?: BrickLinks | undefined;
  /** Where the pool's bricks are this process's. */
  readonly halfRenames?: HalfRenames | undefined;
  readonly lease: Lease;
  readonly catalog: Catalog;
  readonly snapshots: SnapshotCatalog;
  readonly capacity: Capacity;
  readonly log: Logger;
  /** Copies under way. */
  readonly jobs: ContentJobs;
  /** Finds what a copy is made from, in whichever pool. */
  readonly openSource: (source: ContentSource) => Promise<OpenSource>;
  /** Held by id while an operation on that volume runs; by `snapshot/<id>` for a snapshot. */
  readonly locks: KeyLock;
  /** Ends the session: what is in memory may differ from what is on disk. */
  readonly fail: (error: Error) => void;
  /** Wakes the purge of the trash. */
  readonly purgeSoon: () => void;
}

/** After these the call may or may not have taken place, or may yet: only what is read later tells. */
const UNCERTAIN = ['ENOTCONN', 'EIO', 'ESTALE', 'ETIMEDOUT', 'ENOENT', 'EHOSTDOWN', 'ECONNRESET', 'EINTR'];

function isUncertain(error: unknown): boolean {
  if (error instanceof KayalError) return error.code === 'DEADLINE_EXCEEDED' || error.code === 'UNAVAILABLE';
  return isErrno(error, ...UNCERTAIN);
}

/** Runs a change of the pool: only under the lease, and an uncertain outcome ends the session. */
export async function change<T>(session: Session, work: () => Promise<T>): Promise<T> {
  session.lease.assertHeld();
  try {
    return await work();
  } catch (error) {
    if (isUncertain(error)) session.fail(error as Error);
    throw error;
  }
}

/** Pauses before a rename is tried again, in ms. */
const RENAME_PAUSES: readonly number[] = [5, 20, 50, 100, 200, 400, 800, 1_600];

/**
 * Before it renames a directory, features/quota of each brick asks quotad for its size, which quotad reads on one of them. While
 * just that one renames it, no size is found, and the others answer EINVAL (quota_rename_get_size_cbk; some in a thousand).
 * One brick that did not rename is healed. When most did not, what the others did is taken back, and it is tried again. Kayal's
 * own paths give no other reason for EINVAL.
 */
async function renameOnAll(session: Session, from: string, to: string): Promise<boolean> {
  for (const pause of RENAME_PAUSES) {
    try {
      return await session.tree.rename(from, to);
    } catch (error) {
      const isRefused = isErrno(error, 'EINVAL');
      if (!isRefused && !isErrno(error, 'ENOTCONN')) throw error;
      if (!(await undoHalfRename(session, from, to)) && !isRefused) throw error;
    }
    await sleep(pause);
  }
  return session.tree.rename(from, to);
}

/** @returns whether something was taken back; see HalfRenames */
export async function undoHalfRename(session: Session, from: string, to: string): Promise<boolean> {
  try {
    return (await session.halfRenames?.undo(from, to)) ?? false;
  } catch (error) {
    session.log.warn({ from, to, error: messageOf(error) }, 'a rename on some bricks only is not taken back');
    return false;
  }
}

/**
 * Renames under the lease. One of the two paths lies in the lease's directory, so that a former holder changes nothing.
 * @returns false when `from` does not exist
 */
export async function move(session: Session, from: string, to: string): Promise<boolean> {
  return change(session, async () => {
    if (await renameOnAll(session, from, to)) return true;
    // ENOENT may also mean that the lease's directory is gone: then nothing is known about `from`.
    if ((await session.tree.stat(session.lease.directory)) === undefined) {
      throw new SystemError('ESTALE', 'rename', session.lease.directory);
    }
    return false;
  });
}
