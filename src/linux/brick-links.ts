import { messageOf, SystemError, unavailable } from '../base/errors.js';
import { bricksKey, connectToBrick, endConnection, type BrickOptions, type BrickPlaces } from './brick-connection.js';
import type { BrickLink } from './operations/share-blocks.js';
import { Tree } from './tree.js';

/**
 * Connections to each brick of a pool by itself, through libgfapi, for sharing blocks. Made when they are first asked for and
 * kept, as one costs milliseconds to make and up to 10 s to end (glfs_fini); a brick that was away is found again.
 */
export class BrickLinks {
  readonly #options: BrickOptions;
  readonly #key: string;
  #links: Promise<readonly BrickLink[] | undefined> | undefined;
  /** What the log said last. */
  #said: string | undefined;

  constructor(options: BrickOptions) {
    this.#options = options;
    this.#key = bricksKey(options.pool);
  }

  /** A connection per brick, in the pool's order; undefined where blocks cannot be shared, which the log tells. */
  async get(): Promise<readonly BrickLink[] | undefined> {
    try {
      const places = await this.#options.places();
      if (places.away !== undefined) throw unavailable(places.away);
      this.#links ??= this.#make(places);
      const links = await this.#links;
      if (links !== undefined) this.#said = undefined;
      return links;
    } catch (error) {
      // The next copy tries again.
      this.#links = undefined;
      this.#say(`bricks cannot be asked to share blocks now: ${messageOf(error)}`);
      return undefined;
    }
  }

  #say(text: string): void {
    if (this.#said !== text) this.#options.log.info({}, `content of files is copied: ${text}`);
    this.#said = text;
  }

  /** @returns undefined where it is no use to try again */
  async #make({ bricks, volfiles, logFile }: BrickPlaces): Promise<readonly BrickLink[] | undefined> {
    for (const brick of bricks) {
      if (await this.#sharesBlocks(brick)) continue;
      this.#say(`the filesystem of brick ${brick} cannot share blocks (mkfs.xfs -m reflink=1)`);
      return undefined;
    }
    try {
      return await this.#connectAll(bricks, volfiles, logFile);
    } catch (error) {
      if (!(error instanceof SystemError && error.code === 'ELIBACC')) throw error;
      this.#say('libgfapi is not installed (Debian: package libgfapi0)');
      return undefined;
    }
  }

  async #sharesBlocks(brick: string): Promise<boolean> {
    const tree = await Tree.open(this.#options.io, this.#key, brick);
    try {
      return await tree.call('hasReflink', ['']);
    } finally {
      await tree.close();
    }
  }

  async #connectAll(
    bricks: readonly string[],
    volfiles: readonly string[],
    logFile: string,
  ): Promise<readonly BrickLink[]> {
    const made = await Promise.allSettled(volfiles.map((volfile) => this.#connect(volfile, logFile)));
    const addresses = made.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    const failed = made.find((result) => result.status === 'rejected');
    if (failed === undefined) return addresses.map((address, index) => ({ address, path: bricks[index] ?? '' }));
    for (const address of addresses) void endConnection(this.#options, address);
    throw failed.reason;
  }

  async #connect(volfile: string, logFile: string): Promise<bigint> {
    const { address, failure } = await connectToBrick(this.#options, volfile, logFile);
    if (failure === undefined) return address;
    void endConnection(this.#options, address);
    throw new SystemError(failure, 'glfs_init', volfile);
  }

  /** Ends the connections, for when the pool goes and the process stays. No copy may be under way. Takes up to 10 s. */
  async close(): Promise<void> {
    const links = (await this.#links?.catch(() => undefined)) ?? [];
    this.#links = undefined;
    await Promise.all(links.map(({ address }) => endConnection(this.#options, address)));
  }
}
