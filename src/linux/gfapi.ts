/*
 * libgfapi: GlusterFS as a library. Here it is one brick's client, without the translators that make a pool of bricks
 * (api/src/glfs.h, glfs-handles.h; the functions below are the same in GlusterFS 6 to 11). All of them may hang as long as a
 * brick does not answer; protocol/client gives up after its ping-timeout.
 *
 * A connection and an open file are addresses, good in every thread of the process. Each function throws a BrickError.
 */
import { SystemError } from '../base/errors.js';
import { declare, declareIn, failureOf, type About, type Native } from './ffi.js';

const LIBRARY = 'libgfapi.so.0';
/** RTLD_NOW | RTLD_NODELETE: it has threads of its own, and must outlive the thread of ours that loaded it. */
const PINNED = 2 | 0x1000;
/** enum of glusterfs/logging.h: GF_LOG_ERROR. */
const LOG_ERRORS = 4;

interface Functions {
  readonly create: Native;
  readonly setVolfile: Native;
  readonly setLogging: Native;
  readonly init: Native;
  readonly fini: Native;
  readonly findById: Native;
  readonly open: Native;
  readonly forget: Native;
  readonly close: Native;
  readonly fstat: Native;
  readonly fgetxattr: Native;
  readonly flistxattr: Native;
  readonly copyFileRange: Native;
  readonly rename: Native;
}

let functions: Functions | undefined;

/** @throws BrickError ELIBACC when the library is not installed */
function native(): Functions {
  if (functions !== undefined) return functions;
  declare('void *dlopen(const char *name, int flags)')(LIBRARY, PINNED);
  const from = declareIn(LIBRARY);
  if (from === undefined) throw new BrickError('ELIBACC', 'glfs_new', LIBRARY);
  functions = {
    create: from('uint64_t glfs_new(const char *volume)'),
    setVolfile: from('int glfs_set_volfile(uint64_t fs, const char *path)'),
    setLogging: from('int glfs_set_logging(uint64_t fs, const char *path, int level)'),
    init: from('int glfs_init(uint64_t fs)'),
    fini: from('int glfs_fini(uint64_t fs)'),
    findById: from('uint64_t glfs_h_create_from_handle(uint64_t fs, const void *gfid, int size, void *status)'),
    open: from('uint64_t glfs_h_open(uint64_t fs, uint64_t object, int flags)'),
    forget: from('int glfs_h_close(uint64_t object)'),
    close: from('int glfs_close(uint64_t file)'),
    fstat: from('int glfs_fstat(uint64_t file, void *status)'),
    fgetxattr: from('long glfs_fgetxattr(uint64_t file, const char *name, void *value, size_t size)'),
    flistxattr: from('long glfs_flistxattr(uint64_t file, void *list, size_t size)'),
    copyFileRange: from(
      'long glfs_copy_file_range(uint64_t from, void *from_offset, uint64_t to, void *to_offset, size_t size, ' +
        'unsigned int flags, void *status, void *before, void *after)',
    ),
    rename: from('int glfs_rename(uint64_t fs, const char *from, const char *to)'),
  };
  return functions;
}

/** A brick is away, or has not got what the others have. */
export class BrickError extends SystemError {}

function failed(name: string, about: About): BrickError {
  const { code, call, path } = failureOf(name, about);
  return new BrickError(code, call, path);
}

function checked(name: string, about: About, result: number | bigint): number {
  const value = Number(result);
  if (value < 0) throw failed(name, about);
  return value;
}

function address(name: string, about: About, result: number | bigint): bigint {
  if (BigInt(result) === 0n) throw failed(name, about);
  return BigInt(result);
}

/** What is to be disconnected in any case. */
export interface Connection {
  readonly address: bigint;
  /** The errno's name when nothing answers: EIO, ENOTCONN. */
  readonly failure: string | undefined;
}

/**
 * Connects to what a volfile describes. It takes some milliseconds; the connection finds back by itself to a brick that
 * was away.
 * @throws BrickError ELIBACC when libgfapi is not installed
 */
export function connect(volfile: string, logFile: string): Connection {
  const { create, setVolfile, setLogging, init } = native();
  const connection = address('glfs_new', volfile, create('brick'));
  checked('glfs_set_volfile', volfile, setVolfile(connection, volfile));
  checked('glfs_set_logging', logFile, setLogging(connection, logFile, LOG_ERRORS));
  const failure = Number(init(connection)) === 0 ? undefined : failureOf('glfs_init', volfile).code;
  return { address: connection, failure };
}

/** Ends a connection. glfs_fini(3) waits up to 10 s for what it believes to be under way. */
export function disconnect(connection: bigint): void {
  native().fini(connection);
}

/** Opens a file by its gfid, whatever its name is. @throws BrickError ENOENT, ESTALE: the brick has no such file */
export function openById(connection: bigint, gfid: Uint8Array, flags: number, about: About): bigint {
  const { findById, open, forget } = native();
  // glfs_h_create_from_handle fills in a struct stat, at most 144 bytes long.
  const found = findById(connection, gfid, gfid.length, new Uint8Array(256));
  const object = address('glfs_h_create_from_handle', about, found);
  try {
    return address('glfs_h_open', about, open(connection, object, flags));
  } finally {
    forget(object);
  }
}

export function close(file: bigint): void {
  native().close(file);
}

/** rename(2) on one brick. Paths begin with `/`, the root of the pool. */
export function rename(connection: bigint, from: string, to: string): void {
  checked('glfs_rename', from, native().rename(connection, from, to));
}

/** In bytes. */
export function sizeOf(file: bigint, about: About): number {
  const status = Buffer.alloc(256);
  checked('glfs_fstat', about, native().fstat(file, status));
  // st_size is at 48 on x86-64 and on those with asm-generic/stat.h (arm64, riscv64) alike.
  return Number(status.readBigInt64LE(48));
}

const LONGEST = 4096;

/** The names of all extended attributes, also of those that a mount hides. */
export function listXattrs(file: bigint, about: About): string[] {
  const list = Buffer.alloc(65_536);
  const size = checked('glfs_flistxattr', about, native().flistxattr(file, list, list.length));
  return list
    .toString('utf8', 0, size)
    .split('\0')
    .filter((name) => name !== '');
}

/** Undefined: it has none of that name. */
export function getXattr(file: bigint, name: string, about: About): Buffer | undefined {
  const value = Buffer.alloc(LONGEST);
  const size = Number(native().fgetxattr(file, name, value, value.length));
  if (size >= 0) return value.subarray(0, size);
  const failure = failed('glfs_fgetxattr', about);
  if (failure.code === 'ENODATA') return undefined;
  throw failure;
}

/** What copy_file_range(2) takes at a time (MAX_RW_COUNT of linux/fs.h). */
export const MAX_COPY: number = 0x7ffff000;

/**
 * copy_file_range(2) on a brick of what a file begins with: the number of bytes. Never from another offset: GlusterFS (10.3)
 * drops the source's on its way to the brick, and copies the beginning once more.
 */
export function copyBeginning(from: bigint, to: bigint, length: number, about: About): number {
  const { copyFileRange } = native();
  const copied = copyFileRange(from, new Uint8Array(8), to, new Uint8Array(8), length, 0, null, null, null);
  return checked('glfs_copy_file_range', about, copied);
}
