import { SystemError } from '../../base/errors.js';
import { directoryBuffer, readEntries, textOf, typeOf } from '../directory-reader.js';
import { DIRECTORY, openBeneath, openName, READ, unlessAbsent, withFd } from '../handles.js';
import * as libc from '../libc.js';
import { statusOf, type EntryType } from '../stat.js';

export interface ListedEntry {
  readonly name: string;
  readonly type: EntryType;
}

export interface ReadResult {
  readonly name: string;
  /** The content, or the errno's name of what stopped reading it. */
  readonly data: Uint8Array | string;
}

/** One byte more than the file should have is asked for, so that one that grows meanwhile is seen. */
function readAll(fd: number, path: string, maxBytes: number): Uint8Array {
  const status = statusOf(fd, path);
  if (status.type !== 'file') throw new SystemError(status.type === 'directory' ? 'EISDIR' : 'EINVAL', 'read', path);
  if (status.size > BigInt(maxBytes)) throw new SystemError('EFBIG', 'read', path);
  let buffer = new Uint8Array(Number(status.size) + 1);
  let filled = 0;
  for (;;) {
    const count = libc.read(fd, buffer.subarray(filled), path);
    if (count === 0) return buffer.slice(0, filled);
    filled += count;
    if (filled > maxBytes) throw new SystemError('EFBIG', 'read', path);
    if (filled === buffer.length) {
      const larger = new Uint8Array(Math.min(buffer.length * 2, maxBytes + 1));
      larger.set(buffer);
      buffer = larger;
    }
  }
}

/** A regular file's content; undefined: nothing there. EFBIG: more than `maxBytes`; ELOOP: a symlink. */
export function readFile(root: number, path: string, maxBytes: number): Uint8Array | undefined {
  return unlessAbsent(() => withFd(openBeneath(root, path, READ), (fd) => readAll(fd, path, maxBytes)));
}

/** The entries of a directory, in no order; undefined: no such directory. */
export function list(root: number, path: string): ListedEntry[] | undefined {
  return unlessAbsent(() =>
    withFd(openBeneath(root, path, DIRECTORY), (fd) => {
      const entries: ListedEntry[] = [];
      for (const entry of readEntries(fd, directoryBuffer(), path)) {
        const name = textOf(entry);
        const type = unlessAbsent(() => typeOf(fd, entry, `${path}/${name}`));
        if (type !== undefined) entries.push({ name, type });
      }
      return entries;
    }),
  );
}

/** Every regular file of a directory with its content; none when there is no such directory. */
export function readFiles(root: number, path: string, maxBytes: number): ReadResult[] {
  const results = unlessAbsent(() =>
    withFd(openBeneath(root, path, DIRECTORY), (fd) => {
      const files: ReadResult[] = [];
      for (const entry of readEntries(fd, directoryBuffer(), path)) {
        const name = textOf(entry);
        const about = `${path}/${name}`;
        try {
          if (typeOf(fd, entry, about) !== 'file') continue;
          const data = withFd(openName(fd, entry.bytes, READ, about), (file) => readAll(file, about, maxBytes));
          files.push({ name, data });
        } catch (error) {
          if (!(error instanceof SystemError)) throw error;
          if (error.code !== 'ENOENT') files.push({ name, data: error.code });
        }
      }
      return files;
    }),
  );
  return results ?? [];
}

/** The names of at most `limit` sub-directories, found among the first 16 384 entries. */
export function subdirectories(root: number, path: string, limit: number): string[] {
  const found = unlessAbsent(() =>
    withFd(openBeneath(root, path, DIRECTORY), (fd) => {
      const names: string[] = [];
      let seen = 0;
      for (const entry of readEntries(fd, directoryBuffer(), path)) {
        if (entry.type === 'directory') names.push(textOf(entry));
        if (names.length === limit || ++seen === 16_384) break;
      }
      return names;
    }),
  );
  return found ?? [];
}
