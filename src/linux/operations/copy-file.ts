import { SystemError } from '../../base/errors.js';
import { O_WRONLY } from '../constants.js';
import type { About } from '../ffi.js';
import { CREATE, DIRECTORY, openBeneathBytes, openName, READ, withFd } from '../handles.js';
import * as libc from '../libc.js';
import { fullStatusOf, type FullStatus } from '../stat.js';
import { sys } from '../sys.js';
import { copyAttributes } from './copy-attributes.js';
import { copyData, tryClone } from './copy-data.js';
import { copyIfThere } from './copy-if-there.js';
import { restoreTimes } from './copy-links.js';
import { splitBytes, textOfPath } from './copy-paths.js';
import { unlessGone, unlessThere } from './copy-races.js';
import { blocks, type CopyRun } from './copy-run.js';
import type { FileWork } from './copy-work.js';

/** Files up to this size are copied as they are found; larger ones by themselves, several at a time. */
export const SMALL: number = 1024 * 1024;
/** How often a file that changes while it is copied is copied again. */
const MAX_CHANGES = 3;

function versionOf({ size, mtime, ctime, ino }: FullStatus): string {
  return `${ino}/${size}/${mtime}/${ctime}`;
}

/** A file that was found in a directory: a small one is copied at once, a large one only gets its name. */
export function copyFoundFile(
  run: CopyRun,
  directories: { readonly source: number; readonly target: number },
  entry: { readonly name: Uint8Array; readonly path: string },
  about: About,
): void {
  const { name, path } = entry;
  withFd(openName(directories.source, name, READ, about), (input) => {
    const status = fullStatusOf(input, about);
    if (status.type !== 'file') return;
    if (status.links > 1) {
      run.linked.push({ path, ino: status.ino, links: status.links });
      return;
    }
    const output = unlessThere(() => sys.create(directories.target, name, { ...CREATE, mode: status.mode }, about));
    if (output === undefined) return;
    const work: FileWork = { path, offset: 0, changes: 0, unnamed: false };
    withFd(output, (fd) => {
      if (status.size > SMALL && !run.means.clone) run.files.push(work);
      else orRemoved(run, work, () => copyContent(run, input, fd, status, work, about));
    });
  });
}

/** What a failed attempt leaves would pass for the copy at the next one. */
function orRemoved(run: CopyRun, work: FileWork, copy: () => void): void {
  try {
    copy();
  } catch (error) {
    removeTarget(run, work);
    throw error;
  }
}

/** Copies a file by itself, as far as the slice goes. */
export function copyOneFile(run: CopyRun, work: FileWork): void {
  const about = (): string => textOfPath(work.path);
  const attempt = (): void => {
    withFd(openBeneathBytes(run.source, work.path, READ), (input) => {
      const status = fullStatusOf(input, about);
      if (status.type !== 'file') throw new SystemError('ENOENT', 'copy', about());
      withFd(openTarget(run, work), (output) => {
        copyContent(run, input, output, status, work, about);
      });
    });
  };
  const copied = copyIfThere(run, work.path, () => {
    if (!work.unnamed) return attempt();
    orRemoved(run, work, attempt);
    restoreTimes(run, splitBytes(work.path).parent);
  });
  if (!copied) vanish(run, work);
}

/** The copy to be, made when its name is not there yet. */
export function openTarget(run: CopyRun, work: FileWork): number {
  if (!work.unnamed) return openBeneathBytes(run.target, work.path, O_WRONLY);
  const { parent, name } = splitBytes(work.path);
  return withFd(openBeneathBytes(run.target, parent, DIRECTORY), (directory) =>
    sys.create(directory, name, CREATE, () => textOfPath(work.path)),
  );
}

/** The name goes as if it had been gone before; of a file with several names another one is taken. */
export function vanish(run: CopyRun, work: FileWork): void {
  run.vanished++;
  removeTarget(run, work);
}

/** Takes the name away from what has become of the copy; OK when it is not there. */
export function removeTarget(run: CopyRun, { path }: FileWork): void {
  const { parent, name } = splitBytes(path);
  unlessGone(() => {
    withFd(openBeneathBytes(run.target, parent, DIRECTORY), (directory) => {
      sys.unlinkat(directory, name, 0, () => textOfPath(path));
    });
    restoreTimes(run, parent);
  });
}

/** Copies between open files, as far as the slice goes. */
export function copyContent(
  run: CopyRun,
  input: number,
  output: number,
  status: FullStatus,
  work: FileWork,
  about: About,
): void {
  const { means, slice } = run;
  const size = Number(status.size);
  const version = work.version ?? versionOf(status);
  if (work.offset === 0 && means.clone && size > 0 && tryClone(input, output, about)) {
    run.cloned += blocks(size);
    finishFile(run, input, output, status, about);
    return;
  }
  const range = { offset: work.offset, end: size, sparse: status.allocated < status.size };
  const { written, reached, next } = copyData(input, output, range, { means, slice, about });
  run.written += blocks(written);
  if (next !== undefined) {
    run.files.push({ ...work, offset: next, version, unnamed: false });
    return;
  }
  const isSame = versionOf(fullStatusOf(input, about)) === version;
  if (!isSame) {
    if (work.changes < MAX_CHANGES) {
      sys.ftruncate(output, 0, about);
      run.files.push({ ...work, offset: 0, version: undefined, changes: work.changes + 1, unnamed: false });
      return;
    }
    run.changed++;
  }
  if (reached !== size || !isSame) sys.ftruncate(output, size, about);
  finishFile(run, input, output, status, about);
}

/** Owner, permissions, times and the like, once the content is there. */
export function finishFile(run: CopyRun, input: number, output: number, status: FullStatus, about: About): void {
  run.lost += copyAttributes(input, output, status, about);
  if (run.means.syncFiles && status.size > SMALL) libc.fsync(output, about);
}
