import { messageOf } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { Connection } from './gfapi.js';
import type { IoWorkers } from './io-workers.js';

export interface BrickPlaces {
  /** Absolute paths of all bricks, on this machine. */
  readonly bricks: readonly string[];
  /** A volfile for each brick: its client and nothing else. */
  readonly volfiles: readonly string[];
  readonly logFile: string;
  /** Every so many bricks, in their order, are a group: they hold the same files. */
  readonly groupSize: number;
  /** How many bricks of a group have to do a change for it to count. */
  readonly needed: number;
  /** Which brick is away, and why; absent: none. */
  readonly away?: string | undefined;
}

/** What is needed to talk to each brick of a pool by itself, through libgfapi. */
export interface BrickOptions {
  readonly pool: string;
  readonly io: IoWorkers;
  readonly log: Logger;
  readonly places: () => Promise<BrickPlaces>;
}

/** Key of the io workers. Bricks and mounts of a pool must not wait for each other: their calls are counted apart. */
export const bricksKey = (pool: string): string => `${pool}#bricks`;

/** Connects to one brick. A connection that comes after this was given up is ended. @throws as gfapi.connect */
export async function connectToBrick(options: BrickOptions, volfile: string, logFile: string): Promise<Connection> {
  let givenUp = false;
  const onReturned = (value: unknown): void => {
    if (givenUp && value !== undefined) void endConnection(options, (value as Connection).address);
  };
  try {
    return await options.io.run(bricksKey(options.pool), 'connectBrick', [volfile, logFile], { onReturned });
  } catch (error) {
    givenUp = true;
    throw error;
  }
}

/** Never throws, and takes up to 10 s (glfs_fini): nobody should wait for it. */
export async function endConnection({ pool, io, log }: BrickOptions, address: bigint): Promise<void> {
  try {
    await io.run(bricksKey(pool), 'disconnectBrick', [address], { deadlineMs: 60_000 });
  } catch (error) {
    log.debug({ error: messageOf(error) }, 'a connection to a brick was not ended');
  }
}
