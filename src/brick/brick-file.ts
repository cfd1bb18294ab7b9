import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { failedPrecondition, isErrno, messageOf, unavailable } from '../base/errors.js';
import { isRemote, type RemotePoolConfig } from '../gluster/remote-pool.js';
import { parseConfig } from '../pools/config.js';

/** What a brick is told of its pool. */
export interface BrickFile {
  readonly config: RemotePoolConfig;
  /** Numbers of the bricks that may be made where nothing is. */
  readonly make: ReadonlySet<number>;
}

/** Beside the file of the pool: numbers, separated by commas. */
const MAKE = 'make';

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw unavailable(`${file} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

async function readMake(directory: string): Promise<ReadonlySet<number>> {
  const file = join(directory, MAKE);
  try {
    const words = (await readFile(file, 'utf8')).split(/[\s,]+/).filter((word) => word !== '');
    if (words.every((word) => /^\d{1,4}$/.test(word))) return new Set(words.map(Number));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return new Set();
    throw unavailable(`${file} cannot be read: ${messageOf(error)}`, { cause: error });
  }
  throw failedPrecondition(`${file} must hold numbers of bricks, separated by commas`);
}

/**
 * Reads the file of a pool, and which of its bricks are new.
 * @throws KayalError UNAVAILABLE, FAILED_PRECONDITION; ConfigError
 */
export async function readBrickFile(file: string): Promise<BrickFile> {
  // The installation is not the brick's business.
  const { pools } = parseConfig('{installation: brick, pools: []}', file, [{ file, text: await read(file) }]);
  const [pool] = pools;
  if (pool?.type !== 'managed' || !isRemote(pool)) {
    throw failedPrecondition(`${file} must hold a pool of type managed with the key remote`);
  }
  return { config: pool, make: await readMake(dirname(file)) };
}
