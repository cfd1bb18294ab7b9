import { SystemError } from '../../base/errors.js';
import type { About } from '../ffi.js';
import { BrickError } from '../gfapi.js';
import { magicPath, openBeneathBytes, READ, withFd } from '../handles.js';
import * as libc from '../libc.js';
import { fullStatusOf } from '../stat.js';
import { copyContent, finishFile, openTarget, removeTarget, SMALL, vanish } from './copy-file.js';
import { restoreTimes } from './copy-links.js';
import { splitBytes, textOfPath } from './copy-paths.js';
import { unlessGone } from './copy-races.js';
import { blocks, type CopyRun } from './copy-run.js';
import type { FileWork, Sharing } from './copy-work.js';
import { beginSharing, isShared, shareAll, withReplicas, type BrickLink } from './share-blocks.js';

/** How often a file that is written to is tried again; TreeCopy waits in between. */
const MAX_REFUSALS = 5;
const NEW: Sharing = { refusals: 0, over: false };

/** A file of the mount and its copy, both open there. */
interface Pair {
  readonly input: number;
  readonly output: number;
}

/** Copies a file by sharing its blocks on the bricks. What cannot be shared is put back, to be tried again or copied. */
export function shareOneFile(run: CopyRun, work: FileWork, bricks: readonly BrickLink[]): void {
  const about = (): string => textOfPath(work.path);
  const found = unlessGone(() => {
    withFd(openBeneathBytes(run.source, work.path, READ), (input) => {
      const status = fullStatusOf(input, about);
      if (status.type !== 'file') throw new SystemError('ENOENT', 'copy', about());
      withFd(openTarget(run, work), (output) => {
        const named = { ...work, unnamed: false };
        // It is here because it has several names.
        if (status.size <= SMALL) {
          copyContent(run, input, output, status, { ...named, sharing: { ...NEW, over: true } }, about);
        } else shareContent(run, { input, output }, named, bricks, about);
      });
    });
    if (work.unnamed) restoreTimes(run, splitBytes(work.path).parent);
    return true;
  });
  if (found !== true) vanish(run, work);
}

/** By its gfid a file is the same on every brick, whatever becomes of its name. The client itself answers this (fuse-bridge.c). */
function gfidOf(fd: number, about: About): Uint8Array {
  const text = Buffer.alloc(64);
  const size = libc.getxattr(magicPath(fd), 'glusterfs.gfid.string', text, about);
  return Buffer.from(text.toString('latin1', 0, size).replaceAll('-', '').slice(0, 32), 'hex');
}

function shareContent(run: CopyRun, pair: Pair, work: FileWork, bricks: readonly BrickLink[], about: About): void {
  const { refusals } = work.sharing ?? NEW;
  // A call that failed may yet reach its brick: what it was to write to is never written to again.
  let touched = false;
  const putBack = (sharing: Sharing): void => {
    if (touched) removeTarget(run, work);
    run.files.push({ path: work.path, offset: 0, changes: 0, unnamed: touched, sharing });
  };
  try {
    const gfids = { from: gfidOf(pair.input, about), to: gfidOf(pair.output, about) };
    withReplicas(bricks, gfids, about, (replicas) => {
      const version = beginSharing(replicas, about);
      // Between two looks at the file, so that content and times are of one moment.
      const status = fullStatusOf(pair.input, about);
      touched = version !== undefined;
      if (version === undefined || !shareAll(replicas, gfids, version, about) || !isShared(replicas, version, about)) {
        putBack({ refusals: refusals + 1, over: refusals >= MAX_REFUSALS });
        return;
      }
      run.cloned += Math.min(blocks(version.size), Number(status.allocated));
      finishFile(run, pair.input, pair.output, status, about);
    });
  } catch (error) {
    if (!(error instanceof BrickError)) throw error;
    putBack({ refusals, over: true });
    // Otherwise it is this file alone that a brick has not got.
    if (!['ENOENT', 'ESTALE'].includes(error.code)) run.unshared = error.message;
  }
}
