/*
 * Copying a tree, in slices. The source may be in use: whatever vanishes while it is looked at is left out, as if it had gone
 * before; a file that is written meanwhile is copied again. The target is a directory that nobody else can reach.
 */
import { DIRECTORY, openBeneath, withFd } from '../handles.js';
import * as libc from '../libc.js';
import { Slice, type Budget } from '../slices.js';
import { copyEntries } from './copy-directory.js';
import { copyOneFile } from './copy-file.js';
import { linkNames } from './copy-links.js';
import { CopyRun } from './copy-run.js';
import type { CopyPlace, CopySlice, DirectoryWork, FileWork } from './copy-work.js';
import type { BrickLink } from './share-blocks.js';
import { shareOneFile } from './share-file.js';

function withRun(
  roots: { readonly target: number; readonly source: number },
  place: CopyPlace,
  budget: Budget,
  work: (run: CopyRun) => void,
): CopySlice {
  return withFd(openBeneath(roots.source, place.source, DIRECTORY), (source) =>
    withFd(openBeneath(roots.target, place.target, DIRECTORY), (target) => {
      const run = new CopyRun(source, target, place.means, new Slice(budget));
      work(run);
      return run.result();
    }),
  );
}

/**
 * Copies the entries of some directories, whose own are in the target already.
 * @throws SystemError ENOENT when the source or the target as a whole is not there; ENAMETOOLONG for a tree that is
 *   deeper than a path can say; EXDEV when something is mounted in it
 */
export function copyDirectories(
  target: number,
  source: number,
  place: CopyPlace,
  work: readonly DirectoryWork[],
  budget: Budget,
): CopySlice {
  return withRun({ target, source }, place, budget, (run) => {
    copyEntries(run, work);
  });
}

/** Copies a part of one file. `files` of the result is what is left of it. @throws SystemError as `copyDirectories` */
export function copyFile(target: number, source: number, place: CopyPlace, work: FileWork): CopySlice {
  return withRun({ target, source }, place, { entries: 1 }, (run) => {
    copyOneFile(run, work);
  });
}

/**
 * As `copyFile`, by sharing the file's blocks on each brick of the pool that both trees are of.
 * @param bricks connections to all of them
 */
export function shareFile(
  target: number,
  source: number,
  place: CopyPlace,
  work: FileWork,
  bricks: readonly BrickLink[],
): CopySlice {
  return withRun({ target, source }, place, { entries: 1 }, (run) => {
    shareOneFile(run, work, bricks);
  });
}

/** Gives the file that was copied as `from` its other names. @throws SystemError as `copyDirectories` */
export function copyLinks(
  target: number,
  source: number,
  place: CopyPlace,
  from: string,
  names: readonly string[],
): CopySlice {
  return withRun({ target, source }, place, { entries: names.length }, (run) => {
    linkNames(run, from, names);
  });
}

/** syncfs(2) of the filesystem that holds a directory. */
export function syncFilesystem(root: number, path: string): void {
  withFd(openBeneath(root, path, DIRECTORY), (fd) => {
    libc.syncfs(fd, path);
  });
}
