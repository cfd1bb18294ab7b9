import type { About } from '../ffi.js';
import * as libc from '../libc.js';
import { fullStatusOfName } from '../stat.js';
import { sys } from '../sys.js';
import { timesOf } from './copy-attributes.js';
import { unlessThere } from './copy-races.js';
import { BLOCK, type CopyRun } from './copy-run.js';

/** Copies a symlink, FIFO, socket or device node from one open directory to another. */
export function copySpecial(run: CopyRun, source: number, target: number, name: Uint8Array, about: About): void {
  const status = fullStatusOfName(source, name, about);
  if (status.type === 'file' || status.type === 'directory') return;
  const made = unlessThere(() => {
    if (status.type === 'symlink') {
      const link = Buffer.alloc(4097);
      // The rest of the buffer is zero: the target ends with a NUL.
      libc.readlinkat(source, name, link.subarray(0, 4096), about);
      sys.symlinkat(link, target, name, about);
    } else sys.mknodat(target, name, status.format | 0o600, status.device, about);
    return true;
  });
  if (made === undefined) return;
  sys.fchownat(target, name, status.uid, status.gid, about);
  if (status.type !== 'symlink') sys.fchmodat(target, name, status.mode, about);
  sys.utimensat(target, name, timesOf(status), about);
  run.written += BLOCK;
}
