import { failedPrecondition, isErrno, KayalError } from '../base/errors.js';
import { GiB, MiB } from '../base/units.js';
import type { Tree } from '../linux/tree.js';
import {
  decodeLimit,
  decodeSize,
  encodeLimit,
  LIMIT_XATTR,
  OBJECTS_XATTR,
  SIZE_XATTR,
  type SoftPercent,
} from './gluster-xattrs.js';
import { assertInodeLimit, type InodeLimits } from './inode-limits.js';
import type { LimitTarget } from './limit-target.js';
import type { QuotaMechanism } from './mechanism.js';
import { tryLimit } from './scratch.js';
import { setShownLimit } from './shown-limit.js';

export interface GlusterMechanismOptions {
  /** The pool through a control mount: with a client-pid of 0 or more the brick refuses to set a limit. */
  readonly tree: Tree;
  /** Gluster's name of the volume when glusterd serves it; absent when Kayal runs the bricks. */
  readonly volume?: string | undefined;
  /** As in the pool's config (docs/quota.md); `large-volumes` has timeouts that only large volumes survive. */
  readonly profile: 'exact' | 'large-volumes';
}

const SOFT_PERCENT: Readonly<Record<GlusterMechanismOptions['profile'], SoftPercent>> = {
  exact: -1,
  'large-volumes': 50,
};

const UNREACHABLE_INODES = 1n << 62n;

/** GlusterFS' own quota (features/marker and features/quota on the bricks): limits are attributes of directories. */
export class GlusterMechanism implements QuotaMechanism {
  readonly name = 'gluster';
  readonly minimumBytes: bigint;
  readonly inodes: InodeLimits = {
    set: (target, limit) => this.#setInodes(target, limit),
    get: (target) => this.#getInodes(target),
  };
  readonly #tree: Tree;
  readonly #volume: string | undefined;
  readonly #softPercent: SoftPercent;

  constructor({ tree, volume, profile }: GlusterMechanismOptions) {
    this.#tree = tree;
    this.#volume = volume;
    this.#softPercent = SOFT_PERCENT[profile];
    this.minimumBytes = profile === 'large-volumes' ? GiB : MiB;
  }

  async probe(): Promise<void> {
    try {
      await tryLimit(this.#tree, this);
    } catch (error) {
      if (!(error instanceof KayalError) || error.code !== 'FAILED_PRECONDITION') throw error;
      throw failedPrecondition(`${error.message}: ${this.#advice()}`, { cause: error });
    }
  }

  #advice(): string {
    if (this.#volume === undefined) return `the bricks of ${this.#tree.root} do not run features/quota`;
    return (
      `quota is not on, or statfs does not show it: run "gluster volume quota ${this.#volume} enable" and ` +
      `"gluster volume set ${this.#volume} features.quota-deem-statfs on"`
    );
  }

  async allocate(): Promise<undefined> {
    return undefined;
  }

  async set({ path }: LimitTarget, limitBytes: bigint): Promise<void> {
    const attribute = { name: LIMIT_XATTR, value: encodeLimit(limitBytes, this.#softPercent) };
    await setShownLimit(this.#tree, path, attribute, limitBytes);
  }

  async get({ path }: LimitTarget): Promise<bigint | undefined> {
    try {
      return decodeLimit(await this.#tree.getXattr(path, LIMIT_XATTR));
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
      throw error;
    }
  }

  async #setInodes(target: LimitTarget, limit: bigint): Promise<void> {
    const { path } = target;
    if (limit === 0n) await this.#removeInodes(path);
    else {
      await this.#tree.setXattr(path, OBJECTS_XATTR, encodeLimit(limit, this.#softPercent));
      // Until inodes were counted the attribute had 8 bytes; then the limit is stored, and means nothing.
      if (decodeSize(await this.#tree.getXattr(path, SIZE_XATTR)) === undefined) {
        throw failedPrecondition(
          `a limit of inodes was set on ${path}, whose inodes are not counted: ${this.#advice()}`,
        );
      }
    }
    assertInodeLimit(path, await this.#getInodes(target), limit);
  }

  async #removeInodes(path: string): Promise<void> {
    if ((await this.#getInodes({ path })) === 0n) return;
    // A brick that knows the directory forgets its limit when it looks it up anew, a higher one it takes at once.
    await this.#tree.setXattr(path, OBJECTS_XATTR, encodeLimit(UNREACHABLE_INODES, this.#softPercent));
    await this.#tree.removeXattr(path, OBJECTS_XATTR);
  }

  async #getInodes({ path }: LimitTarget): Promise<bigint> {
    try {
      return decodeLimit(await this.#tree.getXattr(path, OBJECTS_XATTR)) ?? 0n;
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return 0n;
      throw error;
    }
  }

  async clear({ path }: LimitTarget): Promise<void> {
    try {
      await this.#tree.removeXattr(path, LIMIT_XATTR);
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
    }
  }
}
