import type { About, CString } from './ffi.js';
import {
  AT_EMPTY_PATH,
  AT_NO_AUTOMOUNT,
  AT_STATX_DONT_SYNC,
  AT_STATX_FORCE_SYNC,
  AT_SYMLINK_NOFOLLOW,
} from './constants.js';
import * as libc from './libc.js';

export type EntryType = 'file' | 'directory' | 'symlink' | 'other';

export interface Entry {
  readonly type: EntryType;
  /** The permission bits with set-user-ID, set-group-ID and sticky (07777). */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes. */
  readonly size: bigint;
  readonly ino: bigint;
  /** major:minor, as in mountinfo. */
  readonly dev: string;
  /** Milliseconds since 1970, with a fraction. */
  readonly mtimeMs: number;
}

export interface Status extends Entry {
  readonly links: number;
  /** Bytes that are allocated (st_blocks × 512). */
  readonly allocated: bigint;
}

/** All that a copy of a file takes over, and what tells whether the file changed meanwhile. */
export interface FullStatus extends Status {
  /** The bits of st_mode that say what it is (S_IFMT). */
  readonly format: number;
  /** Of a device node, as makedev(3) makes it. */
  readonly device: bigint;
  /** The same as major:minor. */
  readonly rdev: string;
  /** Nanoseconds since 1970. */
  readonly atime: bigint;
  readonly mtime: bigint;
  readonly ctime: bigint;
}

const STATX_MNT_ID = 0x1000;

/** One per thread: nothing keeps it longer than until the end of the function that filled it. */
const result = Buffer.alloc(256);

const TYPES: ReadonlyMap<number, EntryType> = new Map<number, EntryType>([
  [0o100000, 'file'],
  [0o040000, 'directory'],
  [0o120000, 'symlink'],
]);

function decode(): Status {
  const mode = result.readUInt16LE(28);
  const seconds = result.readBigInt64LE(112);
  return {
    type: TYPES.get(mode & 0o170000) ?? 'other',
    mode: mode & 0o7777,
    uid: result.readUInt32LE(20),
    gid: result.readUInt32LE(24),
    size: result.readBigUInt64LE(40),
    ino: result.readBigUInt64LE(32),
    dev: `${result.readUInt32LE(136)}:${result.readUInt32LE(140)}`,
    mtimeMs: Number(seconds) * 1000 + result.readUInt32LE(120) / 1e6,
    links: result.readUInt32LE(16),
    allocated: result.readBigUInt64LE(48) * 512n,
  };
}

/** What statx(2) says of an open file or an O_PATH descriptor. */
export function statusOf(fd: number, about: About): Status {
  libc.statx(fd, '', AT_EMPTY_PATH, result, about);
  return decode();
}

/** What the kernel knows already, without asking a FUSE or network server, which may hang: enough for the type. */
export function cachedStatusOf(fd: number, about: About): Status {
  libc.statx(fd, '', AT_EMPTY_PATH | AT_STATX_DONT_SYNC, result, about);
  return decode();
}

/** The id in mountinfo of the mount that a descriptor is on (STATX_MNT_ID, since Linux 5.8); nothing is asked of its server. */
export function mountIdOf(fd: number, about: About): number {
  libc.statx(fd, '', AT_EMPTY_PATH | AT_STATX_DONT_SYNC, result, about, STATX_MNT_ID);
  return Number(result.readBigUInt64LE(144));
}

/** What statx(2) says of a name in a directory, never following it. */
export function statusOfName(directory: number, name: CString, about: About): Status {
  libc.statx(directory, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, result, about);
  return decode();
}

const timeAt = (offset: number): bigint =>
  result.readBigInt64LE(offset) * 1_000_000_000n + BigInt(result.readUInt32LE(offset + 8));

/** gnu_dev_makedev: 12 low and 20 high bits of major around 8 low and 24 high bits of minor. */
export function deviceOf(majorNumber: number, minorNumber: number): bigint {
  const [major, minor] = [BigInt(majorNumber), BigInt(minorNumber)];
  return ((major & 0xfffff000n) << 32n) | ((major & 0xfffn) << 8n) | ((minor & 0xffffff00n) << 12n) | (minor & 0xffn);
}

function decodeFull(): FullStatus {
  return {
    ...decode(),
    format: result.readUInt16LE(28) & 0o170000,
    device: deviceOf(result.readUInt32LE(128), result.readUInt32LE(132)),
    rdev: `${result.readUInt32LE(128)}:${result.readUInt32LE(132)}`,
    atime: timeAt(64),
    ctime: timeAt(96),
    mtime: timeAt(112),
  };
}

/** As `statusOf`, asking the server of a network filesystem even when the kernel has attributes in its cache. */
export function fullStatusOf(fd: number, about: About): FullStatus {
  libc.statx(fd, '', AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, result, about);
  return decodeFull();
}

/** As `statusOfName`, with everything. */
export function fullStatusOfName(directory: number, name: CString, about: About): FullStatus {
  libc.statx(directory, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, result, about);
  return decodeFull();
}
