import { failedPrecondition, isErrno, KayalError } from '../base/errors.js';
import { MiB } from '../base/units.js';
import type { Tree } from '../linux/tree.js';
import type { LimitTarget } from './limit-target.js';
import type { QuotaMechanism } from './mechanism.js';
import { tryLimit } from './scratch.js';
import { setShownLimit, showsLimit } from './shown-limit.js';

/** Marks a directory whose usage features/simple-quota counts; it cannot be taken away again (server4_removexattr_resume). */
const NAMESPACE_XATTR = 'trusted.glusterfs.namespace';
/** The limit in bytes, in decimal digits. */
const LIMIT_XATTR = 'trusted.gfs.squota.limit';
/**
 * simple-quota counts 512 bytes for every file besides its blocks, and refuses a write as a whole: with a limit of
 * 20 MiB a file of 20 MiB would be refused its last 128 KiB. Less than a block more does not show in statfs.
 */
const ROOM_FOR_FILES = 4095n;

export interface SimpleMechanismOptions {
  /** The pool through a control mount (a negative client-pid). */
  readonly tree: Tree;
}

/** simple-quota of GlusterFS ≥ 11. A pod can switch it off (docs/quota.md): limits for tenants who mean well. */
export class SimpleMechanism implements QuotaMechanism {
  readonly name = 'simple';
  readonly minimumBytes = MiB;
  readonly #tree: Tree;

  constructor({ tree }: SimpleMechanismOptions) {
    this.#tree = tree;
  }

  async probe(): Promise<void> {
    try {
      await tryLimit(this.#tree, this);
    } catch (error) {
      if (!(error instanceof KayalError) || error.code !== 'FAILED_PRECONDITION') throw error;
      throw failedPrecondition(
        `${error.message}: the bricks do not run features/simple-quota, which GlusterFS has since 11.0`,
        { cause: error },
      );
    }
  }

  async allocate(): Promise<undefined> {
    return undefined;
  }

  async set({ path }: LimitTarget, limitBytes: bigint): Promise<void> {
    await this.#makeNamespace(path);
    const attribute = { name: LIMIT_XATTR, value: Buffer.from(String(limitBytes + ROOM_FOR_FILES)) };
    try {
      await setShownLimit(this.#tree, path, attribute, limitBytes);
    } catch (error) {
      if (!isErrno(error, 'EPERM')) throw error;
      throw failedPrecondition(`simple quota counts only what is made after its limit, and ${path} has content`, {
        cause: error,
      });
    }
  }

  /** Refused for a directory with content; then it is one already, or setting the limit tells. */
  async #makeNamespace(path: string): Promise<void> {
    try {
      await this.#tree.setXattr(path, NAMESPACE_XATTR, Buffer.from('true'));
    } catch (error) {
      if (!isErrno(error, 'EPERM')) throw error;
    }
  }

  async get({ path }: LimitTarget): Promise<bigint | undefined> {
    try {
      const value = (await this.#tree.getXattr(path, LIMIT_XATTR))?.toString('latin1') ?? '';
      if (!/^\d{1,18}$/.test(value)) return undefined;
      const limitBytes = BigInt(value) - ROOM_FOR_FILES;
      return showsLimit(await this.#tree.statfs(path), limitBytes) ? limitBytes : undefined;
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
      throw error;
    }
  }

  /** Nothing to do: the limit goes with the directory, and a namespace with a limit of 0 would refuse every write. */
  async clear(): Promise<void> {}
}
