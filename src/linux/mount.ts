import type { IoWorkers } from './io-workers.js';

export interface UnmountOptions {
  /** Takes the mount away although files on it are open, and does not wait for a filesystem that hangs (MNT_DETACH). */
  readonly detach: boolean;
  readonly deadlineMs?: number | undefined;
}

/**
 * Takes the topmost mount at an absolute path away, never following a symlink there; false: it is no mount point, or
 * not there. @throws SystemError EBUSY without `detach` while it is in use
 */
export async function unmount(io: IoWorkers, key: string, target: string, options: UnmountOptions): Promise<boolean> {
  return io.run(key, 'unmount', [target, options.detach], { deadlineMs: options.deadlineMs });
}

/**
 * Makes the directory that something is to be mounted on; its parent must be there. True: made it; false: it was there.
 * @throws SystemError ELOOP when a symlink is there, ENOTDIR when something else is, ENOENT without the parent
 */
export async function prepareTargetDirectory(io: IoWorkers, key: string, path: string, mode: number): Promise<boolean> {
  return io.run(key, 'prepareTarget', [path, mode]);
}

/**
 * The same for a file that a block device is to be shown at.
 * @throws SystemError ELOOP when a symlink is there, EISDIR when something else is, ENOENT without the parent
 */
export async function prepareTargetFile(io: IoWorkers, key: string, path: string): Promise<boolean> {
  return io.run(key, 'prepareTargetFile', [path]);
}

/**
 * Removes such a file, which must be empty. True: removed it; false: it was not there.
 * @throws SystemError ENOTDIR when something else is there
 */
export async function removeTargetFile(io: IoWorkers, key: string, path: string): Promise<boolean> {
  return io.run(key, 'removeTargetFile', [path]);
}

/**
 * Removes such a directory. True: removed it; false: it was not there.
 * @throws SystemError ENOTDIR when a symlink or something else is there, ENOTEMPTY, EBUSY while something is mounted on it
 */
export async function removeTargetDirectory(io: IoWorkers, key: string, path: string): Promise<boolean> {
  return io.run(key, 'removeTarget', [path]);
}
