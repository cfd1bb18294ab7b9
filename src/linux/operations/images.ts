/*
 * Images: files of a fixed size that hold a filesystem or are a block device. They are made without blocks of their own,
 * and only ever grow.
 */
import { SystemError } from '../../base/errors.js';
import { O_RDWR } from '../constants.js';
import { CREATE, DIRECTORY, openBeneath, READ, unlessAbsent, withFd, withParent } from '../handles.js';
import * as libc from '../libc.js';
import { splitPath } from '../paths.js';
import { fullStatusOf } from '../stat.js';
import { sys } from '../sys.js';

const BLOCK = 4096n;
/** What is read of an image at once, and how much of it before it counts as one that is in use. */
const CHUNK = 1024 * 1024;
const MOST_ZEROS = 64 * CHUNK;

function openImage(root: number, path: string): number {
  const fd = openBeneath(root, path, O_RDWR);
  try {
    if (fullStatusOf(fd, path).type !== 'file') throw new SystemError('EINVAL', 'open', path);
    return fd;
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}

/**
 * Makes a file larger, by giving it its last block (fallocate(2)): unlike ftruncate(2), which a process that was stopped
 * meanwhile would call with a size of long ago, that can neither shorten a file nor change what is in it.
 */
function grow(fd: number, size: bigint, about: string): void {
  if (fullStatusOf(fd, about).size >= size) return;
  try {
    sys.fallocate(fd, 0, { offset: Number(size - BLOCK), length: Number(BLOCK) }, about);
  } catch (error) {
    if (!(error instanceof SystemError && ['EOPNOTSUPP', 'ENOSYS'].includes(error.code))) throw error;
    sys.ftruncate(fd, Number(size), about);
  }
  libc.fsync(fd, about);
}

/** Makes an image of `size` bytes (whole blocks of 4096), mode 0600, or makes the one that is there as large as that. */
export function makeImage(root: number, path: string, size: bigint): void {
  const created = withParent(root, path, (parent, name) => {
    try {
      return sys.create(parent, name, CREATE, path);
    } catch (error) {
      if (error instanceof SystemError && error.code === 'EEXIST') return undefined;
      throw error;
    }
  });
  withFd(created ?? openImage(root, path), (fd) => {
    grow(fd, size, path);
  });
  const { parent } = splitPath(path);
  withFd(openBeneath(root, parent, DIRECTORY), (fd) => {
    libc.fsync(fd, parent);
  });
}

/** Makes an image at least `size` bytes large (whole blocks of 4096). @throws SystemError ENOENT, EFBIG, ENOSPC, EDQUOT */
export function growImage(root: number, path: string, size: bigint): void {
  withFd(openImage(root, path), (fd) => {
    grow(fd, size, path);
  });
}

/** The size of an image in bytes, as its server says it now; undefined: there is none. */
export function imageSize(root: number, path: string): bigint | undefined {
  return unlessAbsent(() => withFd(openBeneath(root, path, READ), (fd) => fullStatusOf(fd, path).size));
}

/** Makes what was written to an image last. */
export function syncImage(root: number, path: string): void {
  withFd(openBeneath(root, path, O_RDWR), (fd) => {
    libc.fsync(fd, path);
  });
}

function readAt(fd: number, offset: number, length: number, about: string): Uint8Array {
  const bytes = new Uint8Array(length);
  libc.seek(fd, BigInt(offset), about);
  let filled = 0;
  for (;;) {
    const count = libc.read(fd, bytes.subarray(filled), about);
    filled += count;
    if (count === 0 || filled === length) return bytes.slice(0, filled);
  }
}

/** The first bytes of an image. */
export function readImageStart(root: number, path: string, length: number): Uint8Array {
  return withFd(openBeneath(root, path, READ), (fd) => readAt(fd, 0, length, path));
}

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

function nextData(fd: number, offset: number, about: string): number | undefined {
  try {
    return libc.seekTo(fd, offset, 'data', about);
  } catch (error) {
    if (error instanceof SystemError && error.code === 'ENXIO') return undefined;
    throw error;
  }
}

/**
 * True when nothing was ever written to an image, or only zeros. All that its filesystem calls data is read; of more than
 * 64 MiB of that, or where a filesystem without holes calls everything data, the answer is false.
 */
export function isBlankImage(root: number, path: string): boolean {
  return withFd(openBeneath(root, path, READ), (fd) => {
    const size = Number(fullStatusOf(fd, path).size);
    if (!isZero(readAt(fd, 0, CHUNK, path))) return false;
    let looked = 0;
    for (let offset = 0; offset < size; looked += CHUNK) {
      const start = nextData(fd, offset, path);
      if (start === undefined || start >= size) return true;
      if (looked >= MOST_ZEROS || !isZero(readAt(fd, start, CHUNK, path))) return false;
      offset = start + CHUNK;
    }
    return true;
  });
}
