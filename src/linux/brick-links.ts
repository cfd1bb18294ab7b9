import { messageOf, SystemError, unavailable } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { Connection } from './gfapi.js';
import type { IoWorkers } from './io-workers.js';
import type { BrickLink } from './operations/share-blocks.js';
import { Tree } from './tree.js';

export interface BrickLinksOptions {
  readonly pool: string;
  readonly io: IoWorkers;
  readonly log: Logger;
  /** What they are made from. */
  readonly places: () => Promise<BrickPlaces>;
}

export interface BrickPlaces {
  /** Absolute paths of all bricks, on this machine. */
  readonly bricks: readonly string[];
  /** A volfile for each brick: its client and nothing else. */
  readonly volfiles: readonly string[];
  readonly logFile: string;
  /** Which brick is away, and why; absent: none. */
  readonly away?: string | undefined;
}

/**
 * Connections to each brick of a pool by itself, through libgfapi, for sharing blocks. Made when they are first asked for and
 * kept, as one costs milliseconds to make and up to 10 s to end (glfs_fini); a brick that was away is found again.
 */
export class BrickLinks {
  readonly #options: BrickLinksOptions;
  readonly #key: string;
  #links: Promise<readonly BrickLink[] | undefined> | undefined;
  /** What the log said last. */
  #said: string | undefined;

  constructor(options: BrickLinksOptions) {
    this.#options = options;
    this.#key = `${options.pool}#bricks`;
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
    for (const address of addresses) void this.#disconnect(address);
    throw failed.reason;
  }

  async #connect(volfile: string, logFile: string): Promise<bigint> {
    const { io } = this.#options;
    let givenUp = false;
    const onReturned = (value: unknown): void => {
      if (givenUp && value !== undefined) void this.#disconnect((value as Connection).address);
    };
    try {
      const { address, failure } = await io.run(this.#key, 'connectBrick', [volfile, logFile], { onReturned });
      if (failure === undefined) return address;
      void this.#disconnect(address);
      throw new SystemError(failure, 'glfs_init', volfile);
    } catch (error) {
      givenUp = true;
      throw error;
    }
  }

  async #disconnect(link: bigint): Promise<void> {
    try {
      await this.#options.io.run(this.#key, 'disconnectBrick', [link], { deadlineMs: 60_000 });
    } catch (error) {
      this.#options.log.debug({ error: messageOf(error) }, 'a connection to a brick was not ended');
    }
  }

  /** Ends the connections, for when the pool goes and the process stays. No copy may be under way. Takes up to 10 s. */
  async close(): Promise<void> {
    const links = (await this.#links?.catch(() => undefined)) ?? [];
    this.#links = undefined;
    await Promise.all(links.map(({ address }) => this.#disconnect(address)));
  }
}
