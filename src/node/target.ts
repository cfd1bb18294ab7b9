import { realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { failedPrecondition, isErrno, KayalError, messageOf } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { IoWorkers } from '../linux/io-workers.js';
import {
  prepareTargetDirectory,
  prepareTargetFile,
  removeTargetDirectory,
  removeTargetFile,
  unmount,
} from '../linux/mount.js';

/** Key of the io workers for kubelet's directories, which are on the local disk and of no pool. */
const LOCAL = 'targets';
const TARGET_MODE = 0o750;
const UNMOUNT_DEADLINE_MS = 5_000;
/** Nobody stacks that many mounts; a mistake shall not loop for ever. */
const MAX_STACKED = 64;

/**
 * The target as mountinfo shows it: kubelet's directory is often a symlink, the target itself must not be one.
 * @returns undefined when the parent directory does not exist
 */
export async function realTarget(target: string): Promise<string | undefined> {
  try {
    return join(await realpath(dirname(target)), basename(target));
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

/**
 * Makes the target directory; its parent is there (csi.proto, NodePublishVolumeRequest).
 * @returns whether it was made, so that whoever fails later can take it away again
 * @throws KayalError FAILED_PRECONDITION when something else than a directory is there
 */
export async function makeTarget(io: IoWorkers, target: string): Promise<boolean> {
  try {
    return await prepareTargetDirectory(io, LOCAL, target, TARGET_MODE);
  } catch (error) {
    if (!isErrno(error, 'ENOTDIR', 'ELOOP', 'EEXIST')) throw error;
    throw failedPrecondition(
      `target_path ${target} is a file or a symbolic link: it must be a directory, or absent; remove it`,
      { cause: error },
    );
  }
}

/**
 * Makes the file at which a block device is shown.
 * @returns whether it was made
 * @throws KayalError FAILED_PRECONDITION when something else than a file is there
 */
export async function makeTargetFile(io: IoWorkers, target: string): Promise<boolean> {
  try {
    return await prepareTargetFile(io, LOCAL, target);
  } catch (error) {
    if (!isErrno(error, 'EISDIR', 'ELOOP', 'EEXIST')) throw error;
    throw failedPrecondition(
      `target_path ${target} is a directory or a symbolic link: for a block volume it must be a file, or absent; remove it`,
      { cause: error },
    );
  }
}

/**
 * Removes the target, a directory or the empty file of a block volume; OK when it is absent.
 * @throws KayalError FAILED_PRECONDITION when something is in it, which is not on the volume then
 */
export async function removeTarget(io: IoWorkers, target: string): Promise<void> {
  try {
    await removeTargetDirectory(io, LOCAL, target);
  } catch (error) {
    if (isErrno(error, 'ENOTEMPTY', 'EEXIST')) {
      throw failedPrecondition(
        `target_path ${target} is no mount any more, but holds files of its own, written while nothing was mounted ` +
          'there: look at them and move them away',
        { cause: error },
      );
    }
    if (!isErrno(error, 'ENOTDIR', 'ELOOP')) throw error;
    await removeEmptyFile(io, target);
  }
}

async function removeEmptyFile(io: IoWorkers, target: string): Promise<void> {
  try {
    await removeTargetFile(io, LOCAL, target);
  } catch (error) {
    if (!isErrno(error, 'ENOTDIR', 'ELOOP')) throw error;
    throw failedPrecondition(`target_path ${target} is a file or a symbolic link, not made by Kayal: remove it`, {
      cause: error,
    });
  }
}

/** A mount that hangs or is in use is taken out of the tree, and ends by itself later (umount2(2), MNT_DETACH). */
async function unmountOne(io: IoWorkers, key: string, target: string, log: Logger): Promise<boolean> {
  try {
    return await unmount(io, key, target, { detach: false, deadlineMs: UNMOUNT_DEADLINE_MS });
  } catch (error) {
    const hangs = error instanceof KayalError && ['DEADLINE_EXCEEDED', 'UNAVAILABLE'].includes(error.code);
    if (!hangs && !isErrno(error, 'EBUSY')) throw error;
    log.warn({ target, error: messageOf(error) }, 'not unmounted, so detached');
    return unmount(io, LOCAL, target, { detach: true, deadlineMs: UNMOUNT_DEADLINE_MS });
  }
}

/**
 * Unmounts whatever is mounted at the target, one on top of another; OK when nothing is.
 * @param key of the io workers: the pool's, as its mount may hang
 */
export async function unmountAll(io: IoWorkers, key: string, target: string, log: Logger): Promise<void> {
  for (let count = 0; count < MAX_STACKED; count++) {
    if (!(await unmountOne(io, key, target, log))) return;
  }
  throw failedPrecondition(`target_path ${target} has more than ${MAX_STACKED} mounts on top of one another`);
}
