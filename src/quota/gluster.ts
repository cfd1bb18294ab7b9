import { failedPrecondition, isErrno, KayalError } from '../base/errors.js';
import { GiB, MiB } from '../base/units.js';
import type { Tree } from '../linux/tree.js';
import { decodeLimit, encodeLimit, LIMIT_XATTR, type SoftPercent } from './gluster-xattrs.js';
import type { LimitTarget, QuotaMechanism } from './mechanism.js';
import { tryLimit } from './scratch.js';
import { verifyShownLimit } from './shown-limit.js';

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

/** GlusterFS' own quota (features/marker and features/quota on the bricks): limits are attributes of directories. */
export class GlusterMechanism implements QuotaMechanism {
  readonly name = 'gluster';
  readonly minimumBytes: bigint;
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
    await this.#tree.setXattr(path, LIMIT_XATTR, encodeLimit(limitBytes, this.#softPercent));
    await verifyShownLimit(this.#tree, path, limitBytes);
  }

  async get({ path }: LimitTarget): Promise<bigint | undefined> {
    try {
      return decodeLimit(await this.#tree.getXattr(path, LIMIT_XATTR));
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
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
