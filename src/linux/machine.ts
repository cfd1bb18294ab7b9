import { execFile, spawn } from 'node:child_process';
import { chmod, mkdir, open, rename, rm, truncate, unlink, writeFile, type FileHandle } from 'node:fs/promises';
import { promisify } from 'node:util';

/**
 * Every call by which the main thread changes something outside of this process: files on the node's own disk, programs,
 * signals. What touches a pool goes through `sys`, in the io workers. Tests put fault points into both tables, before the
 * first call.
 */
export const machine = {
  chmod,
  /** Of a file that is open. */
  empty: (file: FileHandle): Promise<void> => file.truncate(0),
  execFile: promisify(execFile),
  kill: (pid: number, signal: NodeJS.Signals): void => {
    process.kill(pid, signal);
  },
  mkdir,
  /** For a file that is made, or written to; what is only read needs no fault point. */
  open,
  rename,
  rm,
  spawn,
  truncate,
  unlink,
  /** To a file that is open. */
  write: (file: FileHandle, text: string): Promise<void> => file.writeFile(text),
  writeFile,
};
