import { SystemError } from '../../base/errors.js';
import {
  directoryBuffer,
  namedEntry,
  nameOf,
  pieces,
  readEntries,
  textOf,
  typeOf,
  type DirectoryEntry,
} from '../directory-reader.js';
import { DIRECTORY, DIRECTORY_PATH, openBeneathBytes, openName, withFd } from '../handles.js';
import { fullStatusOf, statusOf } from '../stat.js';
import { sys } from '../sys.js';
import { copyAttributes } from './copy-attributes.js';
import { copyFoundFile } from './copy-file.js';
import { copyIfThere } from './copy-if-there.js';
import { textOfPath } from './copy-paths.js';
import { unlessThere } from './copy-races.js';
import { BLOCK, type CopyRun } from './copy-run.js';
import { copySpecial } from './copy-special.js';
import type { DirectoryWork } from './copy-work.js';

/** A directory of the source, and the one that is to be its copy. */
interface OpenDirectories {
  readonly source: number;
  readonly target: number;
}

/** Copies the entries of directories until the slice is over; what is left is put back. */
export function copyEntries(run: CopyRun, work: readonly DirectoryWork[]): void {
  for (const [index, directory] of work.entries()) {
    if (run.slice.exhausted) {
      run.directories.push(...work.slice(index));
      return;
    }
    copyIfThere(run, directory.path, () => {
      withFd(openBeneathBytes(run.source, directory.path, DIRECTORY), (source) => {
        withFd(openBeneathBytes(run.target, directory.path, DIRECTORY), (target) => {
          copyDirectory(run, { source, target }, directory);
        });
      });
    });
  }
}

/**
 * A directory gets its attributes when all its entries are made, or some of them when it is copied in pieces: files that are
 * copied later have their entry by then, and what adds names later (hard links) puts its times right again.
 */
function copyDirectory(run: CopyRun, open: OpenDirectories, { path, names }: DirectoryWork): void {
  const about = (): string => textOfPath(path);
  const entries = names === undefined ? readEntries(open.source, directoryBuffer(), about) : names.map(namedEntry);
  const left: string[] = [];
  for (const entry of entries) {
    const name = nameOf(entry);
    if (run.slice.exhausted) {
      left.push(name);
      continue;
    }
    run.slice.spend();
    const entryPath = path === '' ? name : `${path}/${name}`;
    copyIfThere(run, entryPath, () => {
      copyEntry(run, open, entry, entryPath, () => `${about()}/${textOf(entry)}`);
    });
  }
  for (const piece of pieces(left)) run.directories.push({ path, names: piece });
  const lost = copyAttributes(open.source, open.target, fullStatusOf(open.source, about), about);
  if (names === undefined) run.lost += lost;
}

function copyEntry(
  run: CopyRun,
  open: OpenDirectories,
  entry: DirectoryEntry,
  path: string,
  about: () => string,
): void {
  const type = typeOf(open.source, entry, about);
  if (type === 'file') copyFoundFile(run, open, { name: entry.bytes, path }, about);
  else if (type === 'directory') makeDirectory(run, open, entry, path, about);
  else copySpecial(run, open.source, open.target, entry.bytes, about);
  run.entries++;
}

function makeDirectory(
  run: CopyRun,
  open: OpenDirectories,
  entry: DirectoryEntry,
  path: string,
  about: () => string,
): void {
  const { dev } = withFd(openName(open.source, entry.bytes, DIRECTORY_PATH, about), (fd) => statusOf(fd, about));
  // A copy without what is mounted there would look complete.
  if (dev !== run.dev) throw new SystemError('EXDEV', 'copy', about());
  const made = unlessThere(() => {
    sys.mkdirat(open.target, entry.bytes, 0o700, about);
    return true;
  });
  if (made === undefined) return;
  run.written += BLOCK;
  run.directories.push({ path });
}
