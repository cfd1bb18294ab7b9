import * as gfapi from './gfapi.js';
import * as libc from './libc.js';
import type { About, CString } from './ffi.js';

/** Every system call that changes something outside of this process. Operations make them only through `sys`. */
export interface SystemCalls {
  create(directory: number, name: CString, how: libc.OpenHow, about: About): number;
  write(fd: number, data: Uint8Array, about: About): number;
  mkdirat(directory: number, name: CString, mode: number, about: About): void;
  unlinkat(directory: number, name: CString, flags: number, about: About): void;
  renameat(from: number, name: CString, to: number, newName: CString, about: About): void;
  linkat(from: number, name: CString, to: number, newName: CString, about: About): void;
  fchown(fd: number, uid: number, gid: number, about: About): void;
  fchmod(fd: number, mode: number, about: About): void;
  setxattr(path: string, name: string, value: Uint8Array, about: About): void;
  removexattr(path: string, name: string, about: About): void;
  ioctl(fd: number, request: number, argument: Uint8Array, about: About): void;
  ioctlValue(fd: number, request: number, value: number, about: About): number;
  quotactlFd(fd: number, command: number, id: number, argument: Uint8Array, about: About): void;
  cloneFile(to: number, from: number, about: About): void;
  copyFileRange(from: number, to: number, range: libc.FileRange, about: About): number;
  copyOnBrick(from: bigint, to: bigint, length: number, about: About): number;
  renameOnBrick(connection: bigint, from: string, to: string): void;
  symlinkat(target: CString, directory: number, name: CString, about: About): void;
  mknodat(directory: number, name: CString, mode: number, device: bigint, about: About): void;
  fchownat(directory: number, name: CString, uid: number, gid: number, about: About): void;
  fchmodat(directory: number, name: CString, mode: number, about: About): void;
  futimens(fd: number, times: Uint8Array, about: About): void;
  utimensat(directory: number, name: CString, times: Uint8Array, about: About): void;
  ftruncate(fd: number, length: number, about: About): void;
  fallocate(fd: number, mode: number, range: libc.FileRange, about: About): void;
  mount(request: libc.MountRequest, about: About): void;
  moveMount(from: number, to: number, about: About): void;
  moveMountBeneath(from: number, to: number, about: About): void;
  mountSetattr(fd: number, attributes: libc.MountAttributes, about: About): void;
  umount2(target: string, flags: number): void;
}

/** The table in use. Tests put fault points into it, before the first operation runs. */
export const sys: SystemCalls = {
  create: libc.openat2,
  write: libc.write,
  mkdirat: libc.mkdirat,
  unlinkat: libc.unlinkat,
  renameat: libc.renameat,
  linkat: libc.linkat,
  fchown: libc.fchown,
  fchmod: libc.fchmod,
  setxattr: libc.setxattr,
  removexattr: libc.removexattr,
  ioctl: libc.ioctl,
  ioctlValue: libc.ioctlValue,
  quotactlFd: libc.quotactlFd,
  cloneFile: libc.cloneFile,
  copyFileRange: libc.copyFileRange,
  copyOnBrick: gfapi.copyBeginning,
  renameOnBrick: gfapi.rename,
  symlinkat: libc.symlinkat,
  mknodat: libc.mknodat,
  fchownat: libc.fchownat,
  fchmodat: libc.fchmodat,
  futimens: libc.futimens,
  utimensat: libc.utimensat,
  ftruncate: libc.ftruncate,
  fallocate: libc.fallocate,
  mount: libc.mount,
  moveMount: libc.moveMount,
  moveMountBeneath: libc.moveMountBeneath,
  mountSetattr: libc.mountSetattr,
  umount2: libc.umount2,
};
