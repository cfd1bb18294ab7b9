import type { About } from './ffi.js';
import * as libc from './libc.js';
import { statusOfName, type EntryType } from './stat.js';

export interface DirectoryEntry {
  /** The name as bytes that end with a NUL, a view of the reader's buffer: valid until the next entry is read. */
  readonly bytes: Uint8Array;
  /** Undefined where the filesystem does not say (DT_UNKNOWN). */
  readonly type: EntryType | undefined;
}

const DT_UNKNOWN = 0;
const TYPES: ReadonlyMap<number, EntryType> = new Map<number, EntryType>([
  [4, 'directory'],
  [8, 'file'],
  [10, 'symlink'],
]);
const DOT = 0x2e;

/** `.` and `..` */
function isDots(bytes: Uint8Array): boolean {
  return bytes[0] === DOT && (bytes.length === 2 || (bytes.length === 3 && bytes[1] === DOT));
}

/** The entries of an open directory but `.` and `..`, from its current position on (getdents64(2)). */
export function* readEntries(fd: number, buffer: Buffer, about: About): Generator<DirectoryEntry, void> {
  for (;;) {
    const filled = libc.getdents64(fd, buffer, about);
    if (filled === 0) return;
    for (let at = 0; at < filled; at += buffer.readUInt16LE(at + 16)) {
      const type = buffer.readUInt8(at + 18);
      const bytes = buffer.subarray(at + 19, buffer.indexOf(0, at + 19) + 1);
      if (isDots(bytes)) continue;
      yield {
        bytes,
        type: type === DT_UNKNOWN ? undefined : (TYPES.get(type) ?? 'other'),
      };
    }
  }
}

/** A new buffer for `readEntries`; 32 KiB is what glibc's readdir(3) takes. */
export function directoryBuffer(): Buffer {
  return Buffer.allocUnsafeSlow(32 * 1024);
}

/** How many names of a large directory go into one piece of work. */
const PIECE = 512;

/**
 * A name that keeps beyond the reader's buffer, one byte per character (latin1): names need not be UTF-8. What is left of a
 * directory is kept by its names, as each brick of a replicated pool lists in an order of its own, and an offset (d_off) of
 * one means something else to another one.
 */
export function nameOf({ bytes }: DirectoryEntry): string {
  return Buffer.from(bytes.subarray(0, -1)).toString('latin1');
}

/** The entry of a name of `nameOf`; nobody has asked for its type. */
export function namedEntry(name: string): DirectoryEntry {
  return { bytes: Buffer.from(`${name}\0`, 'latin1'), type: undefined };
}

/** Names in pieces of work. */
export function pieces(names: readonly string[]): string[][] {
  return Array.from({ length: Math.ceil(names.length / PIECE) }, (_, index) =>
    names.slice(index * PIECE, (index + 1) * PIECE),
  );
}

/** The type of an entry, asked for where the directory does not tell it. */
export function typeOf(directory: number, entry: DirectoryEntry, about: About): EntryType {
  return entry.type ?? statusOfName(directory, entry.bytes, about).type;
}

/** The name as text; bytes that are not UTF-8 become U+FFFD, so that such a name finds nothing when it is used. */
export function textOf(entry: DirectoryEntry): string {
  return Buffer.from(entry.bytes.buffer, entry.bytes.byteOffset, entry.bytes.length - 1).toString('utf8');
}
