/*
 * Project quota of XFS and ext4. Both answer to XFS' quotactl(2) commands (fs/quota/quota.c translates them for the
 * generic quota code, which ext4 uses), with space in units of 512 bytes.
 */
import type { About } from '../ffi.js';
import { SystemError } from '../../base/errors.js';
import { directoryBuffer, readEntries } from '../directory-reader.js';
import { DIRECTORY, openBeneath, openName, READ, withFd } from '../handles.js';
import * as libc from '../libc.js';
import type { Budget } from '../slices.js';
import { sys } from '../sys.js';
import { usageOf } from './roots.js';
import { walkSome, type WalkPosition } from './walk.js';

/** linux/fs.h, struct fsxattr: 28 bytes; xflags at 0, projid at 12. */
const FS_IOC_FSGETXATTR = 0x801c581f;
const FS_IOC_FSSETXATTR = 0x401c5820;
const FS_XFLAG_PROJINHERIT = 0x200;

/** linux/dqblk_xfs.h; QCMD(command, PRJQUOTA) of linux/quota.h. */
const PRJQUOTA = 2;
const Q_XGETQUOTA = (0x5803 << 8) | PRJQUOTA;
const Q_XSETQLIM = (0x5804 << 8) | PRJQUOTA;
const Q_XGETQSTATV = (0x5808 << 8) | PRJQUOTA;
const FS_QUOTA_PDQ_ACCT = 1 << 4;
const FS_QUOTA_PDQ_ENFD = 1 << 5;
const FS_DQUOT_VERSION = 1;
const FS_PROJ_QUOTA = 2;
const FS_DQ_IHARD = 1 << 1;
const FS_DQ_BHARD = 1 << 3;
const BASIC_BLOCK = 512n;

export interface ProjectQuota {
  /** The limit in bytes; 0: none. */
  readonly hardBlocksBytes: bigint;
  readonly usedBytes: bigint;
  readonly inodes: bigint;
  /** The limit of inodes; 0: none. */
  readonly hardInodes: bigint;
}

export interface ProjectQuotaState {
  /** Usage is counted. */
  readonly accounting: boolean;
  /** Limits are kept. */
  readonly enforced: boolean;
}

/** What a directory's limit is according to the filesystem. */
export interface LimitInForce {
  /** The project that the directory is in. */
  readonly project: number;
  /** The limit in bytes of the project that it should be in; 0: none. */
  readonly limitBytes: bigint;
  readonly blockSize: bigint;
}

interface Project {
  readonly id: number;
  readonly inherit: boolean;
}

function attributesOf(fd: number, about: About): Buffer {
  const attributes = Buffer.alloc(28);
  libc.ioctl(fd, FS_IOC_FSGETXATTR, attributes, about);
  return attributes;
}

function projectOf(fd: number, about: About): Project {
  const attributes = attributesOf(fd, about);
  return {
    id: attributes.readUInt32LE(12),
    inherit: (attributes.readUInt32LE(0) & FS_XFLAG_PROJINHERIT) !== 0,
  };
}

function assign(fd: number, { id, inherit }: Project, about: About): void {
  const attributes = attributesOf(fd, about);
  const flags = attributes.readUInt32LE(0);
  const wanted = inherit ? (flags | FS_XFLAG_PROJINHERIT) >>> 0 : flags;
  if (attributes.readUInt32LE(12) === id && wanted === flags) return;
  attributes.writeUInt32LE(wanted, 0);
  attributes.writeUInt32LE(id, 12);
  sys.ioctl(fd, FS_IOC_FSSETXATTR, attributes, about);
}

/** The state of project quota on the tree's filesystem; SystemError ENOSYS or ESRCH where it has none at all. */
export function projectQuotaState(root: number): ProjectQuotaState {
  const answer = Buffer.alloc(160);
  answer.writeInt8(1, 0);
  libc.quotactlFd(root, Q_XGETQSTATV, 0, answer, 'project quota');
  const flags = answer.readUInt16LE(2);
  return { accounting: (flags & FS_QUOTA_PDQ_ACCT) !== 0, enforced: (flags & FS_QUOTA_PDQ_ENFD) !== 0 };
}

/** The project id of a directory; 0: none. */
export function getProject(root: number, path: string): Project {
  return withFd(openBeneath(root, path, DIRECTORY), (fd) => projectOf(fd, path));
}

/** Puts an empty directory into a project, which what is made in it inherits. ENOTEMPTY when it has entries already. */
function assignEmpty(fd: number, path: string, id: number): void {
  const first = readEntries(fd, directoryBuffer(), path).next();
  if (first.done !== true) throw new SystemError('ENOTEMPTY', 'limitDirectory', path);
  assign(fd, { id, inherit: true }, path);
}

/**
 * Limits a directory, which becomes a project if it is not that one already; what is in force then. The limit comes first, so
 * that there is no moment at which the directory takes more. ENOTEMPTY when it has entries and is not in the project.
 */
export function limitDirectory(root: number, path: string, id: number, bytes: bigint): LimitInForce {
  setProjectLimit(root, id, bytes);
  return withFd(openBeneath(root, path, DIRECTORY), (fd) => {
    if (projectOf(fd, path).id !== id) assignEmpty(fd, path, id);
    return {
      project: projectOf(fd, path).id,
      limitBytes: getProjectQuota(root, id).hardBlocksBytes,
      blockSize: usageOf(fd, path).blockSize,
    };
  });
}

/**
 * Puts a part of a tree into a project. Symlinks, FIFOs, sockets and devices stay as they are: ioctl(2) cannot reach them,
 * and they take no blocks worth counting.
 */
export function assignProject(root: number, position: WalkPosition, id: number, budget: Budget): WalkPosition {
  return walkSome(root, position, budget, {
    directory: (fd, about) => {
      assign(fd, { id, inherit: true }, about);
    },
    entry: (directory, entry, type, about) => {
      if (type !== 'file') return;
      withFd(openName(directory, entry.bytes, READ, about), (fd) => {
        assign(fd, { id, inherit: false }, about);
      });
    },
  });
}

function limitRequest(id: number, field: number): Buffer {
  const wanted = Buffer.alloc(112);
  wanted.writeInt8(FS_DQUOT_VERSION, 0);
  wanted.writeInt8(FS_PROJ_QUOTA, 1);
  wanted.writeUInt16LE(field, 2);
  wanted.writeUInt32LE(id, 4);
  return wanted;
}

/** Sets the limit of inodes of a project and leaves that of its space alone; 0 takes it away. */
export function setProjectInodeLimit(root: number, id: number, inodes: bigint): void {
  const wanted = limitRequest(id, FS_DQ_IHARD);
  wanted.writeBigUInt64LE(inodes, 24);
  sys.quotactlFd(root, Q_XSETQLIM, id, wanted, `project ${id}`);
}

/** Sets the limit of a project in bytes, rounded up to 512 (the filesystem rounds up to its blocks); 0 takes it away. */
export function setProjectLimit(root: number, id: number, bytes: bigint): void {
  const wanted = limitRequest(id, FS_DQ_BHARD);
  wanted.writeBigUInt64LE((bytes + BASIC_BLOCK - 1n) / BASIC_BLOCK, 8);
  sys.quotactlFd(root, Q_XSETQLIM, id, wanted, `project ${id}`);
}

/** Limit and usage of a project; all 0 when the filesystem has never heard of it. */
export function getProjectQuota(root: number, id: number): ProjectQuota {
  const answer = Buffer.alloc(112);
  try {
    libc.quotactlFd(root, Q_XGETQUOTA, id, answer, `project ${id}`);
  } catch (error) {
    if (!(error instanceof SystemError && error.code === 'ENOENT')) throw error;
    return { hardBlocksBytes: 0n, usedBytes: 0n, inodes: 0n, hardInodes: 0n };
  }
  return {
    hardBlocksBytes: answer.readBigUInt64LE(8) * BASIC_BLOCK,
    usedBytes: answer.readBigUInt64LE(40) * BASIC_BLOCK,
    inodes: answer.readBigUInt64LE(48),
    hardInodes: answer.readBigUInt64LE(24),
  };
}
