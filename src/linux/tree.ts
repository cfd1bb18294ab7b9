import { unavailable } from '../base/errors.js';
import { LISTING, type IoOptions, type IoWorkers } from './io-workers.js';
import type { MountFlag } from './mount-flags.js';
import type { Operations } from './operations.js';
import type { OwnerAndMode } from './operations/attributes.js';
import type { ListedEntry } from './operations/files.js';
import type { NamespaceId, Replaced, Replacement } from './operations/replace-mounts.js';
import type { RemovedSlice } from './operations/remove.js';
import type { FsUsage, OpenRoot } from './operations/roots.js';
import { removeTree } from './remove-tree.js';
import type { Budget } from './slices.js';
import type { Entry } from './stat.js';
import { UsageCount } from './usage-count.js';

export type { MountFlag } from './mount-flags.js';
export type { OwnerAndMode } from './operations/attributes.js';
export type { FsUsage } from './operations/roots.js';
export type { Entry, EntryType } from './stat.js';
export type { UsageCount } from './usage-count.js';

/** A file read by `readFiles`: its content, or the errno's name of what stopped reading it. */
export interface FileContent {
  readonly name: string;
  readonly data: Buffer | string;
}

export interface BindOptions {
  readonly readOnly: boolean;
  readonly flags: readonly MountFlag[];
}

/** The operations that take the root's descriptor first. */
type TreeOperation = Exclude<
  {
    [K in keyof Operations]: Parameters<Operations[K]> extends [root: number, ...rest: unknown[]] ? K : never;
  }[keyof Operations],
  'closeRoot'
>;
type TreeArguments<K extends TreeOperation> =
  Parameters<Operations[K]> extends [root: number, ...rest: infer R] ? R : never;

/** The operations on two trees: the root of the other one is their second parameter. */
type PairOperation = {
  [K in keyof Operations]: Parameters<Operations[K]> extends [root: number, other: number, ...rest: unknown[]]
    ? K
    : never;
}[keyof Operations];
type PairArguments<K extends PairOperation> =
  Parameters<Operations[K]> extends [root: number, other: number, ...rest: infer R] ? R : never;

/** Under a key of its own: closing a descriptor of this kind never waits for a pool. */
async function closeRoot(io: IoWorkers, fd: number): Promise<void> {
  try {
    await io.run('descriptors', 'closeRoot', [fd]);
  } catch {
    // The process is ending, and takes the descriptor with it.
  }
}

/** A message carries a view's whole buffer, and small Buffers share one of 8 KiB. */
function exact(data: Uint8Array): Uint8Array {
  return data.byteLength === data.buffer.byteLength ? data : new Uint8Array(data);
}

function bufferOf(data: Uint8Array): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

/**
 * The files beneath one directory. Its root is kept open, so that a mount that vanished answers ENOTCONN and the local
 * disk below it is never touched. Paths are relative to the root ('' or '.'); one that would leave the tree, cross into
 * another mount or go through a symlink fails with EXDEV or ELOOP (openat2(2)).
 *
 * Every method runs in an io worker and throws, besides what it says, SystemError and what IoWorkers.run throws.
 */
export class Tree {
  readonly root: string;
  /** major:minor of the root, as in mountinfo. */
  readonly dev: string;
  /** f_type of statfs(2). */
  readonly fsType: number;
  readonly #io: IoWorkers;
  readonly #key: string;
  readonly #fd: number;
  readonly #options: IoOptions;
  /** Calls that may still use the descriptor: those that were given up, too. */
  #users = 0;
  readonly #pending = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;
  #closeLater = false;

  private constructor(io: IoWorkers, key: string, root: { path: string } & OpenRoot, options: IoOptions) {
    this.#io = io;
    this.#key = key;
    this.#fd = root.fd;
    this.#options = options;
    this.root = root.path;
    this.dev = root.dev;
    this.fsType = root.fsType;
  }

  /** Opens the directory `root`, which must not be a symlink. `options` hold for all calls of the tree. */
  static async open(io: IoWorkers, key: string, root: string, options: IoOptions = {}): Promise<Tree> {
    let givenUp = false;
    try {
      const opened = await io.run(key, 'openRoot', [root], {
        ...options,
        onReturned: (value) => {
          if (givenUp && value !== undefined) void closeRoot(io, (value as OpenRoot).fd);
        },
      });
      return new Tree(io, key, { path: root, ...opened }, options);
    } catch (error) {
      givenUp = true;
      throw error;
    }
  }

  /** Undefined: nothing there. A symlink is not followed. */
  async stat(path: string): Promise<Entry | undefined> {
    return this.call('stat', [path]);
  }

  /** A regular file's content; undefined: nothing there. EFBIG: more than `maxBytes`. */
  async readFile(path: string, maxBytes = 1024 * 1024): Promise<Buffer | undefined> {
    const data = await this.call('readFile', [path, maxBytes]);
    return data === undefined ? undefined : bufferOf(data);
  }

  /**
   * Makes a file, mode 0600, that is seen whole or not at all, and lasts once this returns; false: `path` exists.
   * `temporary` is replaced when it is there, and gone afterwards. With `parentMode` the directories
   * above it are made when they are missing.
   */
  async createFile(temporary: string, path: string, data: Uint8Array, parentMode?: number): Promise<boolean> {
    return this.call('createFile', [temporary, path, exact(data), parentMode]);
  }

  /** As `createFile`, but replaces what is there: a reader sees the old file or the new one. */
  async replaceFile(temporary: string, path: string, data: Uint8Array): Promise<void> {
    await this.call('replaceFile', [temporary, path, exact(data), true]);
  }

  /** As `replaceFile`, and much faster; a loss of power soon afterwards may leave an empty file. */
  async replaceHint(temporary: string, path: string, data: Uint8Array): Promise<void> {
    await this.call('replaceFile', [temporary, path, exact(data), false]);
  }

  /** A directory's entries, in no order; undefined: no such directory. */
  async list(path: string): Promise<ListedEntry[] | undefined> {
    return this.call('list', [path]);
  }

  /** Every regular file of one directory; none when there is no such directory. */
  async readFiles(path: string, maxBytes: number): Promise<FileContent[]> {
    const files = await this.call('readFiles', [path, maxBytes]);
    return files.map(({ name, data }) => ({ name, data: typeof data === 'string' ? data : bufferOf(data) }));
  }

  /** At most `limit` names of sub-directories. */
  async subdirectories(path: string, limit: number): Promise<string[]> {
    return this.call('subdirectories', [path, limit]);
  }

  /** Makes a directory with exactly this mode, whatever the umask; false: the name is taken. */
  async mkdir(path: string, mode: number): Promise<boolean> {
    return this.call('mkdir', [path, mode]);
  }

  /**
   * Makes a directory with this owner and mode; false: the name is taken, and nothing changed. With `parentMode` those above
   * it are made when they are missing.
   */
  async makeDirectory(path: string, owner: OwnerAndMode, parentMode?: number): Promise<boolean> {
    return this.call('makeDirectory', [path, owner, parentMode]);
  }

  /** Makes a directory and those above it; the paths of those that it made, outermost first. */
  async mkdirs(path: string, mode: number): Promise<string[]> {
    return this.call('mkdirs', [path, mode]);
  }

  /** rename(2), which replaces a file or an empty directory at `to`; false: there is no `from`. */
  async rename(from: string, to: string): Promise<boolean> {
    return this.call('rename', [from, to]);
  }

  /** False: nothing there. */
  async unlink(path: string): Promise<boolean> {
    return this.call('unlink', [path]);
  }

  async rmdir(path: string): Promise<'removed' | 'absent' | 'not-empty'> {
    return this.call('rmdir', [path]);
  }

  /** Owner and permissions of a directory. */
  async setOwnerAndMode(path: string, wanted: OwnerAndMode): Promise<void> {
    await this.call('setOwnerAndMode', [path, wanted]);
  }

  /** setxattr(2) on a file or directory. */
  async setXattr(path: string, name: string, value: Uint8Array): Promise<void> {
    await this.call('setXattr', [path, name, exact(value)]);
  }

  /** As `setXattr`; the filesystem as statfs(2) shows it there then. */
  async setXattrThenStatfs(path: string, name: string, value: Uint8Array): Promise<FsUsage> {
    return this.call('setXattrThenStatfs', [path, name, exact(value)]);
  }

  /** Undefined: there is no such attribute. */
  async getXattr(path: string, name: string): Promise<Buffer | undefined> {
    const value = await this.call('getXattr', [path, name]);
    return value === undefined ? undefined : bufferOf(value);
  }

  /** OK when there is no such attribute. */
  async removeXattr(path: string, name: string): Promise<void> {
    await this.call('removeXattr', [path, name]);
  }

  /** The filesystem as seen at `path`, where Gluster and project quota show the limit of that directory. */
  async statfs(path: string, options?: IoOptions): Promise<FsUsage> {
    return this.call('statfs', [path], options);
  }

  /**
   * Counts what the files below a directory take, one slice per call: pass what the last call gave, until it is `done`.
   * It may be given up at any time. Never follows symlinks nor leaves the filesystem.
   */
  async countUsage(path: string, budget: Budget, from: UsageCount = UsageCount.start(path)): Promise<UsageCount> {
    return from.done ? from : from.plus(await this.call('countUsage', [from.next(), budget], LISTING));
  }

  /**
   * Removes a directory with what is in it, or a file, one slice per call; `done` when it is gone.
   * @throws SystemError of an entry that cannot be removed, once all others are gone
   */
  async removeSome(path: string, budget: Budget, options?: IoOptions): Promise<RemovedSlice> {
    return this.call('removeSome', [path, budget], options);
  }

  /** As `removeSome`, until it is gone, in several sub-directories at a time. */
  async removeTree(path: string, options?: IoOptions): Promise<void> {
    await removeTree(this, path, options);
  }

  /** Makes a sparse file of `bytes` (whole blocks of 4096), mode 0600, or one that is there as large; it lasts once this returns. */
  async makeImage(path: string, bytes: bigint): Promise<void> {
    await this.call('makeImage', [path, bytes]);
  }

  /** Makes such a file at least as large; it never gets smaller, however late the call comes through. */
  async growImage(path: string, bytes: bigint): Promise<void> {
    await this.call('growImage', [path, bytes]);
  }

  /** Mounts a directory of the tree on the directory `target`, an absolute path whose last name is no symlink. */
  async bind(path: string, target: string, options: BindOptions): Promise<void> {
    const flags = options.readOnly ? [...options.flags, 'ro' as const] : options.flags;
    await this.call('bind', [path, target, flags]);
  }

  /**
   * Puts mounts of this tree's directories in the place of others in a mount namespace. Each is tried whatever became of
   * the others. EAGAIN: the process that stood for the namespace is gone.
   */
  async replaceMounts(
    namespace: NamespaceId | undefined,
    replacements: readonly Replacement[],
    options: { readonly atomic: boolean },
  ): Promise<Replaced[]> {
    return this.call('replaceMounts', [namespace, replacements, options.atomic]);
  }

  /** For other files of this layer: runs an operation on this tree. */
  async call<K extends TreeOperation>(
    op: K,
    args: TreeArguments<K>,
    options: IoOptions = this.#options,
  ): Promise<ReturnType<Operations[K]>> {
    // TypeScript cannot see that a tuple cut in two and joined again is the same.
    return this.#run(op, [this.#fd, ...args] as unknown as Parameters<Operations[K]>, [this], options);
  }

  /** The same for an operation on this tree and another, under this one's key. */
  async callWith<K extends PairOperation>(
    other: Tree,
    op: K,
    args: PairArguments<K>,
    options: IoOptions = this.#options,
  ): Promise<ReturnType<Operations[K]>> {
    const all = [this.#fd, other.#fd, ...args] as unknown as Parameters<Operations[K]>;
    return this.#run(op, all, [this, other], options);
  }

  /** Neither of the trees is closed before the call is over. */
  async #run<K extends keyof Operations>(
    op: K,
    args: Parameters<Operations[K]>,
    trees: readonly Tree[],
    options: IoOptions,
  ): Promise<ReturnType<Operations[K]>> {
    for (const tree of trees) tree.#assertOpen();
    for (const tree of trees) tree.#users++;
    const onReturned = (): void => {
      for (const tree of trees) tree.#leave();
    };
    const result = this.#io.run(this.#key, op, args, { ...options, onReturned });
    for (const tree of trees) tree.#pending.add(result);
    try {
      return await result;
    } finally {
      for (const tree of trees) tree.#pending.delete(result);
    }
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw unavailable(`pool ${this.#key}: ${this.root} is being detached`);
  }

  #leave(): void {
    this.#users--;
    if (this.#users === 0 && this.#closeLater) void closeRoot(this.#io, this.#fd);
  }

  /**
   * Closes the root once the calls under way are over. It does not wait for one that hangs: then the root is closed when
   * that one comes back, and not before, lest it goes on in another directory that got the same descriptor number.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#pending);
    if (this.#users === 0) await closeRoot(this.#io, this.#fd);
    else this.#closeLater = true;
  }
}
