import { changedRanges, type Extent, type FileRange } from '../extents.js';
import { openBeneath, READ, withFd } from '../handles.js';
import * as libc from '../libc.js';

/** linux/fs.h: _IOWR('f', 11, struct fiemap); linux/fiemap.h */
const FS_IOC_FIEMAP = 0xc020660b;
const FIEMAP_FLAG_SYNC = 1;
const FIEMAP_EXTENT_LAST = 0x1;
const FIEMAP_EXTENT_UNWRITTEN = 0x800;
/** Its place is not known: not written yet, encoded, or within metadata (UNKNOWN, DELALLOC, ENCODED, DATA_INLINE). */
const NO_PLACE = 0x2 | 0x4 | 0x8 | 0x200;
const HEADER_BYTES = 32;
const EXTENT_BYTES = 56;
const EXTENTS = 1_024;

/** The pieces of a file that hold something. Blocks that were only set aside for it (unwritten) read as zeros. */
function extentsOf(fd: number, path: string): Extent[] {
  const extents: Extent[] = [];
  const buffer = Buffer.alloc(HEADER_BYTES + EXTENTS * EXTENT_BYTES);
  for (let start = 0n; ;) {
    buffer.fill(0, 0, HEADER_BYTES);
    buffer.writeBigUInt64LE(start, 0);
    buffer.writeBigUInt64LE((1n << 63n) - 1n - start, 8);
    buffer.writeUInt32LE(FIEMAP_FLAG_SYNC, 16);
    buffer.writeUInt32LE(EXTENTS, 24);
    libc.ioctl(fd, FS_IOC_FIEMAP, buffer, path);
    const count = buffer.readUInt32LE(20);
    for (let index = 0; index < count; index++) {
      const at = HEADER_BYTES + index * EXTENT_BYTES;
      const offset = buffer.readBigUInt64LE(at);
      const length = buffer.readBigUInt64LE(at + 16);
      const flags = buffer.readUInt32LE(at + 40);
      start = offset + length;
      if ((flags & FIEMAP_EXTENT_UNWRITTEN) === 0) {
        // Such a piece is never the same as another one.
        const physical = (flags & NO_PLACE) === 0 ? Number(buffer.readBigUInt64LE(at + 8)) : Number.NaN;
        extents.push({ offset: Number(offset), length: Number(length), physical });
      }
      if ((flags & FIEMAP_EXTENT_LAST) !== 0) return extents;
    }
    if (count === 0) return extents;
  }
}

function extentsIn(root: number, path: string): Extent[] {
  return withFd(openBeneath(root, path, READ), (fd) => extentsOf(fd, path));
}

/**
 * What of the file `after` differs from `before`, of which it was cloned, directly or by way of others; both are not written to.
 * @param before undefined: an empty file
 * @throws SystemError EOPNOTSUPP where the filesystem does not tell where blocks lie
 */
export function imageChanges(root: number, before: string | undefined, after: string): FileRange[] {
  return changedRanges(before === undefined ? [] : extentsIn(root, before), extentsIn(root, after));
}
