import { exhausted, failedPrecondition, invalidArgument, isErrno, unavailable } from '../base/errors.js';
import { formatBytes, maxBytes, MiB } from '../base/units.js';
import {
  assignProject,
  getProject,
  getQuota,
  limitDirectory,
  setInodeLimit,
  setLimit,
  supported,
  type LimitInForce,
} from '../linux/project-quota.js';
import type { Tree } from '../linux/tree.js';
import { assertInodeLimit, type InodeLimits } from './inode-limits.js';
import type { LimitTarget } from './limit-target.js';
import type { QuotaMechanism } from './mechanism.js';
import { brickProjectId, firstProjectId, MAX_BRICKS, projectIdsFrom } from './project-id.js';

export interface ProjectMechanismOptions {
  /** The bricks' directories in the pool's order; or, of a directory pool, its own tree. */
  readonly trees: readonly [Tree, ...Tree[]];
  /** Something that is the pool's own, such as its UUID: says where to look for free ids first. */
  readonly seed: string;
  /** True for bricks: glusterfsd writes as root for everybody, and not every filesystem limits root. Default false. */
  readonly writtenByRoot?: boolean | undefined;
  /** Sets of bricks that the pool distributes its files over; default 1. */
  readonly groups?: number | undefined;
  /** Among how many bricks of a group the data of a file is divided; default 1: each has all of it. */
  readonly dataBricks?: number | undefined;
  /** False for a brick, by its number, that has names and no data; default: all have. */
  readonly holdsData?: ((brick: number) => boolean) | undefined;
  /** True when the trees were opened for this mechanism alone: `close` closes them. Default false. */
  readonly ownsTrees?: boolean | undefined;
}

/** In bytes; of XFS (mkfs.xfs -b size). */
const LARGEST_BLOCK = 65_536n;

/** A brick (or the pool itself) with its number. */
interface Place {
  readonly tree: Tree;
  readonly number: number;
}

function isUnused({ usedBytes, inodes, hardBlocksBytes, hardInodes }: Awaited<ReturnType<typeof getQuota>>): boolean {
  return usedBytes === 0n && inodes === 0n && hardBlocksBytes === 0n && hardInodes === 0n;
}

/**
 * Project quota of XFS and ext4 (xfs_quota(8)) on the filesystems that the pool's data lies on: exact to the block. Each
 * volume's directory is a project, which everything made in it inherits. Each brick has its share of the limit: of a disperse
 * group what it gets of the data; with several groups an equal part, so that no volume gets more than its limit, and one whose
 * files are not spread evenly gets less.
 */
export class ProjectMechanism implements QuotaMechanism {
  readonly name = 'project';
  readonly minimumBytes = MiB;
  /** Absent with several groups: of a volume's files each has a part that nobody knows beforehand. */
  readonly inodes: InodeLimits | undefined;
  /** A brick's shared-brick-count would divide the limits of volumes too, so bricks of project pools have none. */
  readonly copiesOnOneFilesystem: number;
  readonly limitRounding: bigint;
  readonly #places: readonly Place[];
  readonly #first: number;
  readonly #writtenByRoot: boolean;
  readonly #ownsTrees: boolean;
  /** Among how many bricks a limit is divided. */
  readonly #shares: bigint;

  /** @throws KayalError INVALID_ARGUMENT for more bricks than project ids have room for */
  constructor(options: ProjectMechanismOptions) {
    const { trees, seed, writtenByRoot = false, ownsTrees = false } = options;
    const { groups = 1, dataBricks = 1, holdsData = () => true } = options;
    if (trees.length > MAX_BRICKS) {
      throw invalidArgument(`project quota has ids for ${MAX_BRICKS} bricks of a pool, not for ${trees.length}`);
    }
    this.#places = trees.map((tree, number) => ({ tree, number }));
    this.#first = firstProjectId(seed);
    this.#shares = BigInt(groups * dataBricks);
    this.limitRounding = LARGEST_BLOCK * this.#shares;
    this.inodes =
      groups > 1
        ? undefined
        : {
            set: (target, limit) => this.#setInodes(target, limit),
            get: (target) => this.#getInodes(target),
          };
    const full = trees.filter((_, brick) => holdsData(brick));
    this.copiesOnOneFilesystem = Math.max(...full.map(({ dev }) => full.filter((other) => other.dev === dev).length));
    this.#writtenByRoot = writtenByRoot;
    this.#ownsTrees = ownsTrees;
  }

  async probe(): Promise<void> {
    const problems = await Promise.all(this.#places.map(({ tree }) => this.#problemOf(tree)));
    const found = problems.filter((problem) => problem !== undefined);
    if (found.length > 0) throw failedPrecondition(found.join('; '));
  }

  async #problemOf(tree: Tree): Promise<string | undefined> {
    const answer = await supported(tree);
    if (!answer.ok) return answer.reason;
    if (answer.limitsRoot || !this.#writtenByRoot) return undefined;
    return `on the filesystem of ${tree.root} project quota does not limit root, as which bricks write: use XFS`;
  }

  async allocate(used: ReadonlySet<number>): Promise<number> {
    for (const id of projectIdsFrom(this.#first)) {
      if (!used.has(id) && (await this.#isFree(id))) return id;
    }
    throw exhausted('all project ids of the pool are in use');
  }

  async #isFree(id: number): Promise<boolean> {
    const quotas = await Promise.all(
      this.#places.map(({ tree, number }) => getQuota(tree, brickProjectId(id, number))),
    );
    return quotas.every(isUnused);
  }

  /** @throws also KayalError UNAVAILABLE when a brick does not have the directory (yet) */
  async set(target: LimitTarget, limitBytes: bigint): Promise<void> {
    const { path, projectId } = target;
    if (projectId === undefined) throw invalidArgument(`${path} has no project id on record to put a limit on`);
    const share = (limitBytes + this.#shares - 1n) / this.#shares;
    await Promise.all(
      this.#places.map(async ({ tree, number }) => {
        await this.#limit(tree, path, brickProjectId(projectId, number), share);
      }),
    );
  }

  async #limit(tree: Tree, path: string, id: number, limitBytes: bigint): Promise<void> {
    const inForce = await this.#makeProject(tree, path, id, limitBytes);
    const limit = inForce.limitBytes;
    if (inForce.project === id && limit >= limitBytes && limit < limitBytes + inForce.blockSize) return;
    throw failedPrecondition(
      `${tree.root}/${path} should be project ${id} with a limit of ${formatBytes(limitBytes)}; ` +
        `it is project ${inForce.project}, and project ${id} has ${limit === 0n ? 'no limit' : formatBytes(limit)}`,
    );
  }

  async #makeProject(tree: Tree, path: string, id: number, limitBytes: bigint): Promise<LimitInForce> {
    try {
      return await limitDirectory(tree, path, id, limitBytes);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) {
        throw unavailable(
          `${tree.root} does not hold ${path}: its limit can be set when the brick is healed (or, in a directory pool, when the directory is back)`,
          { cause: error },
        );
      }
      if (!isErrno(error, 'ENOTEMPTY')) throw error;
    }
    const current = await getProject(tree, path);
    if (current !== 0) {
      throw failedPrecondition(`${tree.root}/${path} has content and belongs to project ${current}, not to ${id}`);
    }
    // Healing made it anew on a brick that had been replaced, and knows nothing of projects.
    await assignProject(tree, path, id);
    return limitDirectory(tree, path, id, limitBytes);
  }

  /** Of bricks with different limits the largest; those set here are rounded up to the filesystem's blocks. */
  async get({ path, projectId }: LimitTarget): Promise<bigint | undefined> {
    const limits = await Promise.all(
      this.#places.map(async ({ tree, number }) => {
        const id = projectId === undefined ? await this.#idIfAny(tree, path) : brickProjectId(projectId, number);
        return id === 0 ? 0n : (await getQuota(tree, id)).hardBlocksBytes;
      }),
    );
    const limit = limits.reduce(maxBytes, 0n) * this.#shares;
    return limit === 0n ? undefined : limit;
  }

  /** The project's directory, and that it is in the project, is the business of `set`. */
  async #setInodes({ path, projectId }: LimitTarget, limit: bigint): Promise<void> {
    if (projectId === undefined) throw invalidArgument(`${path} has no project id on record to put a limit on`);
    await Promise.all(
      this.#places.map(({ tree, number }) => setInodeLimit(tree, brickProjectId(projectId, number), limit)),
    );
    assertInodeLimit(path, await this.#getInodes({ path, projectId }), limit);
  }

  async #getInodes({ path, projectId }: LimitTarget): Promise<bigint | undefined> {
    const limits = await Promise.all(
      this.#places.map(async ({ tree, number }) => {
        const id = projectId === undefined ? await this.#idIfAny(tree, path) : brickProjectId(projectId, number);
        return id === 0 ? 0n : (await getQuota(tree, id)).hardInodes;
      }),
    );
    const [first = 0n] = limits;
    return limits.every((limit) => limit === first) ? first : undefined;
  }

  async #idIfAny(tree: Tree, path: string): Promise<number> {
    try {
      return await getProject(tree, path);
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return 0;
      throw error;
    }
  }

  async clear({ projectId }: LimitTarget): Promise<void> {
    if (projectId === undefined) return;
    await Promise.all(
      this.#places.map(async ({ tree, number }) => {
        const id = brickProjectId(projectId, number);
        await setInodeLimit(tree, id, 0n);
        await setLimit(tree, id, 0n);
      }),
    );
  }

  async close(): Promise<void> {
    if (this.#ownsTrees) await Promise.all(this.#places.map(({ tree }) => tree.close()));
  }
}
