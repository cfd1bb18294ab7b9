import { SystemError } from '../../base/errors.js';
import type { About } from '../ffi.js';
import * as libc from '../libc.js';
import type { Slice } from '../slices.js';
import { sys } from '../sys.js';

/** How the content of files gets across. */
export interface CopyMeans {
  /** FICLONE is tried first. */
  readonly clone: boolean;
  /**
   * copy_file_range(2) is tried. Never through GlusterFS: its cluster translators pass that call to their first brick alone,
   * and a client that speaks a FUSE protocol which has it would make the replicas differ.
   */
  readonly direct: boolean;
  /**
   * Large files are synced when they are complete, through GlusterFS, where syncfs(2) does nothing; small ones are left to
   * its replication, which syncs on the bricks what it wrote (ensure-durability). Otherwise whoever asked for the copy
   * syncs the filesystem at its end.
   */
  readonly syncFiles: boolean;
}

const CHUNK = 1024 * 1024;
const DIRECT_CHUNK = 16 * CHUNK;
/** One per thread. */
let buffer: Uint8Array | undefined;

/** These say that a filesystem, or this pair of them, cannot; anything else is a failure. */
const CANNOT: ReadonlySet<string> = new Set(['EOPNOTSUPP', 'EXDEV', 'EINVAL', 'ENOTTY', 'ENOSYS', 'EPERM', 'ETXTBSY']);

function unlessImpossible<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof SystemError && CANNOT.has(error.code)) return undefined;
    throw error;
  }
}

/** Shares the blocks of a whole file; false where that is not possible. */
export function tryClone(input: number, output: number, about: About): boolean {
  const cloned = unlessImpossible(() => {
    sys.cloneFile(output, input, about);
    return true;
  });
  return cloned ?? false;
}

/** Where data begins at or after `offset`; undefined: there is none. A filesystem that knows no holes has data everywhere. */
function nextData(fd: number, offset: number, about: About): number | undefined {
  try {
    return libc.seekTo(fd, offset, 'data', about);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    if (error.code === 'ENXIO') return undefined;
    if (CANNOT.has(error.code)) return offset;
    throw error;
  }
}

function nextHole(fd: number, offset: number, end: number, about: About): number {
  try {
    return Math.min(libc.seekTo(fd, offset, 'hole', about), end);
  } catch (error) {
    if (error instanceof SystemError && (error.code === 'ENXIO' || CANNOT.has(error.code))) return end;
    throw error;
  }
}

function copyChunk(input: number, output: number, range: libc.FileRange, about: About): number {
  buffer ??= new Uint8Array(CHUNK);
  libc.seek(input, BigInt(range.offset), about);
  const count = libc.read(input, buffer.subarray(0, Math.min(CHUNK, range.length)), about);
  libc.seek(output, BigInt(range.offset), about);
  for (let written = 0; written < count;) written += sys.write(output, buffer.subarray(written, count), about);
  return count;
}

/**
 * Copies what is data between `range.offset` and its end, until the slice is over; holes stay holes.
 * @returns how much was written, where the last of it ended, and where to go on; undefined at the end
 */
export function copyData(
  input: number,
  output: number,
  range: { readonly offset: number; readonly end: number; readonly sparse: boolean },
  how: { readonly means: CopyMeans; readonly slice: Slice; readonly about: About },
): { readonly written: number; readonly reached: number; readonly next: number | undefined } {
  const { slice, about } = how;
  let { direct } = how.means;
  let written = 0;
  let reached = range.offset;
  for (let { offset } = range; offset < range.end;) {
    const start = range.sparse ? nextData(input, offset, about) : offset;
    if (start === undefined || start >= range.end) break;
    const hole = range.sparse ? nextHole(input, start, range.end, about) : range.end;
    for (offset = start; offset < hole;) {
      const rest = { offset, length: Math.min(hole - offset, DIRECT_CHUNK) };
      let count = direct ? unlessImpossible(() => sys.copyFileRange(input, output, rest, about)) : undefined;
      if (count === undefined) {
        direct = false;
        count = copyChunk(input, output, rest, about);
      }
      // It has become shorter: whoever copies it sees that it changed.
      if (count === 0) return { written, reached, next: undefined };
      offset += count;
      written += count;
      reached = offset;
      if (slice.exhausted && offset < range.end) return { written, reached, next: offset };
    }
  }
  return { written, reached, next: undefined };
}
