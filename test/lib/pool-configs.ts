import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

/** A pool as it stands in a config file. */
export interface PoolKeys {
  readonly name: string;
  readonly [key: string]: unknown;
}

/** A directory that all nodes have, without limits. */
export function directoryPool(name: string, path: string): PoolKeys {
  return { name, type: 'directory', path, shared: true, quota: 'none' };
}

/** A managed pool with one brick, `brick` below the directory, which it makes. */
export async function singleBrickPool(directory: string, name: string, keys: object = {}): Promise<PoolKeys> {
  const brick = join(directory, 'brick');
  await mkdir(brick, { recursive: true });
  return { name, type: 'managed', replica: 1, bricks: [brick], ...keys };
}
