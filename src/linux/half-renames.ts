import { setTimeout as sleep } from 'node:timers/promises';
import { SystemError } from '../base/errors.js';
import { bricksKey, connectToBrick, endConnection, type BrickOptions, type BrickPlaces } from './brick-connection.js';
import { Tree } from './tree.js';

/** A look at a brick must not take long. */
const DEADLINE_MS = 5_000;
/** glfs_init returns before a brick has let the connection in; until then it answers ENOTCONN. */
const TRIES = 20;
const PAUSE_MS = 50;

/** At which of the two places of a rename a brick has the directory. */
export interface RenameState {
  readonly from: boolean;
  readonly to: boolean;
}

/**
 * The bricks on which a rename has to be taken back, by their numbers. A group in which enough bricks have renamed heals the
 * others; as a directory is in every group, one that has too few takes the rename of all others back.
 */
export function halfRenamed(
  has: readonly RenameState[],
  { groupSize, needed }: Pick<BrickPlaces, 'groupSize' | 'needed'>,
): number[] {
  const isRenamed = ({ from, to }: RenameState): boolean => to && !from;
  const isRefused = (_: RenameState, first: number): boolean => {
    if (first % groupSize !== 0) return false;
    const group = has.slice(first, first + groupSize);
    return group.some(({ from, to }) => from && !to) && group.filter(isRenamed).length < needed;
  };
  return has.some(isRefused) ? has.flatMap((one, index) => (isRenamed(one) ? [index] : [])) : [];
}

/**
 * Renames of directories that took place on some bricks of a pool with copies and not on most of them. GlusterFS says that they
 * failed, has the directory at both places from then on, answers ENOTCONN at the new one, and cannot heal it.
 */
export class HalfRenames {
  readonly #options: BrickOptions;
  readonly #key: string;

  constructor(options: BrickOptions) {
    this.#options = options;
    this.#key = bricksKey(options.pool);
  }

  /**
   * Takes a rename back where it took place though most bricks know nothing of it. Nobody else may use the two paths.
   * @returns whether there was such a brick
   * @throws SystemError, KayalError when a brick could not be asked to
   */
  async undo(from: string, to: string): Promise<boolean> {
    const places = await this.#options.places();
    const { bricks, volfiles, logFile } = places;
    const has = await Promise.all(
      bricks.map(async (brick) => ({ from: await this.#has(brick, from), to: await this.#has(brick, to) })),
    );
    const undone = halfRenamed(has, places);
    for (const index of undone) {
      this.#options.log.warn({ brick: bricks[index], from, to }, 'a rename that most bricks refused is taken back');
      await this.#rename(volfiles[index] ?? '', logFile, to, from);
    }
    return undone.length > 0;
  }

  /** The names in a directory, as far as any brick knows them. */
  async namesIn(directory: string): Promise<ReadonlySet<string>> {
    const { bricks } = await this.#options.places();
    const lists = await Promise.all(
      bricks.map((brick) => this.#look(brick, async (tree) => (await tree.list(directory)) ?? [])),
    );
    return new Set(lists.flatMap((entries) => (entries ?? []).map(({ name }) => name)));
  }

  /** False also for a brick that cannot be looked at: it takes part in nothing. */
  async #has(brick: string, path: string): Promise<boolean> {
    return (await this.#look(brick, async (tree) => (await tree.stat(path)) !== undefined)) ?? false;
  }

  /** Undefined: the brick cannot be looked at. */
  async #look<T>(brick: string, work: (tree: Tree) => Promise<T>): Promise<T | undefined> {
    try {
      const tree = await Tree.open(this.#options.io, this.#key, brick, { deadlineMs: DEADLINE_MS });
      try {
        return await work(tree);
      } finally {
        await tree.close();
      }
    } catch {
      return undefined;
    }
  }

  async #rename(volfile: string, logFile: string, from: string, to: string): Promise<void> {
    const { address } = await connectToBrick(this.#options, volfile, logFile);
    try {
      for (let tried = 1; ; tried++) {
        try {
          await this.#options.io.run(this.#key, 'renameOnBrick', [address, `/${from}`, `/${to}`]);
          return;
        } catch (error) {
          if (!(error instanceof SystemError && error.code === 'ENOTCONN') || tried === TRIES) throw error;
        }
        await sleep(PAUSE_MS);
      }
    } finally {
      void endConnection(this.#options, address);
    }
  }
}
