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
  quotactlFd(fd: number, command: number, id: number, argument: Uint8Array, about: About): void;
  moveMount(from: number, to: number, about: About): void;
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
  quotactlFd: libc.quotactlFd,
  moveMount: libc.moveMount,
  mountSetattr: libc.mountSetattr,
  umount2: libc.umount2,
};
