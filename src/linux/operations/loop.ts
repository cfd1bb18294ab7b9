/*
 * Loop devices (loop(4), linux/loop.h), without losetup(8). A device is told by its number N of /dev/loopN.
 */
import { readFileSync } from 'node:fs';
import { SystemError } from '../../base/errors.js';
import * as c from '../constants.js';
import { openBeneath, withFd } from '../handles.js';
import * as libc from '../libc.js';
import { deviceOf, fullStatusOf } from '../stat.js';
import { sys } from '../sys.js';

const LOOP_CLR_FD = 0x4c01;
const LOOP_GET_STATUS64 = 0x4c05;
const LOOP_SET_CAPACITY = 0x4c07;
const LOOP_CONFIGURE = 0x4c0a;
const LOOP_CTL_GET_FREE = 0x4c82;
const LO_FLAGS_DIRECT_IO = 16;
const CONTROL = '/dev/loop-control';
/** linux/major.h, linux/miscdevice.h */
const MISC_MAJOR = 10;
const LOOP_CTRL_MINOR = 237;
/** linux/fs.h */
const BLKROSET = 0x125d;
const BLKFLSBUF = 0x1261;
const BLKGETSIZE64 = 0x80081272;
/** What a sector of the device is, whatever lies below: a volume looks the same on every node. */
const SECTOR = 512;
/** Others may take a device that was free a moment ago. */
const TRIES = 32;

/** What a loop device is attached to. */
export interface LoopBacking {
  /** Device number (major:minor) of the filesystem that holds the file. */
  readonly dev: string;
  readonly ino: bigint;
}

function isCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof SystemError && codes.includes(error.code);
}

function openAbsolute(path: string, flags: number): number {
  return libc.openat2(c.AT_FDCWD, path, { flags: flags | c.O_NOFOLLOW, resolve: c.RESOLVE_NO_MAGICLINKS }, path);
}

/** Device number of a loop device, as the kernel says it: not every one has N as its minor number (max_part). */
function numberOf(n: number): { readonly major: number; readonly minor: number } {
  const [major = 0, minor = 0] = readFileSync(`/sys/block/loop${n}/dev`, 'latin1').trim().split(':').map(Number);
  return { major, minor };
}

/** In a container without the host's /dev the node of a device that is new to it is missing. */
function openDevice(n: number, flags: number): number {
  const path = `/dev/loop${n}`;
  try {
    return openAbsolute(path, flags);
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw error;
  }
  const { major, minor } = numberOf(n);
  try {
    sys.mknodat(c.AT_FDCWD, path, 0o060600, deviceOf(major, minor), path);
  } catch (error) {
    if (!isCode(error, 'EEXIST')) throw error;
  }
  return openAbsolute(path, flags);
}

function withDevice<T>(n: number, flags: number, work: (fd: number, about: string) => T): T {
  return withFd(openDevice(n, flags), (fd) => {
    const about = `/dev/loop${n}`;
    const { major, minor } = numberOf(n);
    // Somebody's stale or wrong node must not lead to another disk.
    if (fullStatusOf(fd, about).device !== deviceOf(major, minor)) throw new SystemError('ENXIO', 'open', about);
    return work(fd, about);
  });
}

/** Where its node is missing it is made: opening it loads the kernel's module, if there is one (MODULE_ALIAS_MISCDEV). */
function openControl(): number {
  try {
    return openAbsolute(CONTROL, c.O_RDWR);
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw error;
  }
  sys.mknodat(c.AT_FDCWD, CONTROL, 0o020600, deviceOf(MISC_MAJOR, LOOP_CTRL_MINOR), CONTROL);
  return openAbsolute(CONTROL, c.O_RDWR);
}

function configure(n: number, image: number): void {
  const config = Buffer.alloc(304);
  config.writeUInt32LE(image, 0);
  config.writeUInt32LE(SECTOR, 4);
  config.writeUInt32LE(LO_FLAGS_DIRECT_IO, 8 + 52);
  withDevice(n, c.O_RDWR, (fd, about) => {
    sys.ioctl(fd, LOOP_CONFIGURE, config, about);
    // A device stays read-only from one attachment to the next.
    sys.ioctl(fd, BLKROSET, Buffer.alloc(4), about);
  });
}

/**
 * Attaches an image to a free loop device, with direct I/O where its filesystem can: then nothing of it is in this node's
 * page cache but what the filesystem in it keeps there.
 * @returns the device's number
 */
export function attachLoop(root: number, path: string): number {
  return withFd(openBeneath(root, path, c.O_RDWR), (image) => {
    if (fullStatusOf(image, path).type !== 'file') throw new SystemError('EINVAL', 'loop', path);
    return withFd(openControl(), (control) => {
      for (let tries = 1; ; tries++) {
        const n = sys.ioctlValue(control, LOOP_CTL_GET_FREE, 0, CONTROL);
        try {
          configure(n, image);
          return n;
        } catch (error) {
          if (tries === TRIES || !isCode(error, 'EBUSY')) throw error;
        }
      }
    });
  });
}

/** What a device is attached to; undefined: to nothing. The file's filesystem is asked: ENOTCONN, or a wait, where it is dead. */
export function loopBacking(n: number): LoopBacking | undefined {
  const info = Buffer.alloc(232);
  try {
    withDevice(n, c.O_RDONLY, (fd, about) => {
      libc.ioctl(fd, LOOP_GET_STATUS64, info, about);
    });
  } catch (error) {
    if (isCode(error, 'ENXIO', 'ENODEV')) return undefined;
    throw error;
  }
  // huge_encode_dev() of linux/kdev_t.h: as makedev(3), within 32 bits.
  const dev = info.readUInt32LE(0);
  const major = (dev & 0xfff00) >>> 8;
  const minor = (dev & 0xff) | ((dev >>> 12) & 0xfff00);
  return { dev: `${major}:${minor}`, ino: info.readBigUInt64LE(8) };
}

function sizeOf(fd: number, about: string): bigint {
  const size = Buffer.alloc(8);
  libc.ioctl(fd, BLKGETSIZE64, size, about);
  return size.readBigUInt64LE(0);
}

/** The size of a device in bytes. */
export function loopSize(n: number): bigint {
  return withDevice(n, c.O_RDONLY, sizeOf);
}

/** Makes a device as large as its file is now. @returns its size in bytes */
export function refreshLoop(n: number): bigint {
  return withDevice(n, c.O_RDONLY, (fd, about) => {
    sys.ioctlValue(fd, LOOP_SET_CAPACITY, 0, about);
    return sizeOf(fd, about);
  });
}

/** Whether the device refuses writes, for everybody who opens it from now on. */
export function setLoopReadOnly(n: number, readOnly: boolean): void {
  const value = Buffer.alloc(4);
  value.writeInt32LE(readOnly ? 1 : 0);
  withDevice(n, c.O_RDONLY, (fd, about) => {
    sys.ioctl(fd, BLKROSET, value, about);
  });
}

/** Writes down what was written to a device: its own pages, then the file. */
export function flushLoop(n: number): void {
  withDevice(n, c.O_RDONLY, (fd, about) => {
    libc.fsync(fd, about);
    sys.ioctlValue(fd, BLKFLSBUF, 0, about);
  });
}

/** Detaches a device; one that somebody has open goes when that one closes it. False: it was attached to nothing. */
export function detachLoop(n: number): boolean {
  try {
    withDevice(n, c.O_RDONLY, (fd, about) => {
      sys.ioctl(fd, BLKROSET, Buffer.alloc(4), about);
      sys.ioctlValue(fd, LOOP_CLR_FD, 0, about);
    });
    return true;
  } catch (error) {
    if (isCode(error, 'ENXIO', 'ENODEV')) return false;
    throw error;
  }
}

/** The number (major:minor) of the device that a name stands for, never following a symlink; undefined: it is no block device. */
export function blockDeviceAt(path: string): string | undefined {
  return withFd(openAbsolute(path, c.O_PATH), (fd) => {
    const { format, rdev } = fullStatusOf(fd, path);
    return format === 0o060000 ? rdev : undefined;
  });
}
