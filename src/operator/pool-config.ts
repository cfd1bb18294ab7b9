import { stringify } from 'yaml';
import { parseConfig } from '../pools/config.js';
import type { PoolConfig } from '../pools/types.js';
import { brickPath, poolKey } from './names.js';
import type { BrickSpec, ManagedSpec, StoragePool } from './storage-pool.js';

/** What must never change, once a pool has it. */
export interface PoolIdentity {
  readonly volumeId: string;
  readonly credentials: { readonly username: string; readonly password: string };
}

/** What clients of a managed pool have to know beside its object. */
export interface PoolFacts extends PoolIdentity {
  /** HOST:PORT of each brick, in their order. */
  readonly addresses: readonly string[];
}

/** In words that never change, as they are kept in the status. */
export function sourceOf({ device, path, pvc }: BrickSpec): string {
  return pvc === undefined ? (device ?? path ?? '') : `pvc/${pvc}`;
}

function managedConfig(managed: ManagedSpec, facts: PoolFacts): object {
  const { replica, arbiter, disperse, bricks, clientCache } = managed;
  const { volumeId, credentials, addresses } = facts;
  return {
    type: 'managed',
    ...(replica === undefined ? {} : { replica }),
    ...(arbiter === undefined ? {} : { arbiter }),
    ...(disperse === undefined ? {} : { disperse }),
    clientCache,
    bricks: bricks.map((_, index) => brickPath(index)),
    remote: { volumeId, credentials, addresses },
  };
}

/** The pool as a piece of configuration. @throws ConfigError when Kayal would not take it */
export function poolText(pool: StoragePool, facts: PoolFacts): string {
  const { name } = pool.metadata;
  const { managed, external, quota, overcommitPercent } = pool.spec;
  const text = stringify({
    name,
    quota,
    overcommit: overcommitPercent / 100,
    ...(managed === undefined ? { type: 'gluster', ...external } : managedConfig(managed, facts)),
  });
  parsePoolText(name, text);
  return text;
}

/** @throws ConfigError */
export function parsePoolText(name: string, text: string): PoolConfig | undefined {
  const file = poolKey(name);
  return parseConfig('{installation: operator, pools: []}', 'pool', [{ file, text }]).pools[0];
}

const NOBODY: PoolIdentity = {
  volumeId: '00000000-0000-0000-0000-000000000000',
  credentials: { username: 'u', password: 'p' },
};

function repeatedBrick(bricks: readonly BrickSpec[]): string | undefined {
  const seen = new Map<string, number>();
  for (const [index, brick] of bricks.entries()) {
    const place = `${brick.node ?? ''}:${sourceOf(brick)}`;
    const first = seen.get(place);
    if (first !== undefined)
      return `spec.managed.bricks[${index}] is where bricks[${first}] is, too (${sourceOf(brick)})`;
    seen.set(place, index);
  }
  return undefined;
}

/** Why a pool cannot be made as it is described; undefined: it can. */
export function specProblem(pool: StoragePool): string | undefined {
  const bricks = pool.spec.managed?.bricks ?? [];
  const repeated = repeatedBrick(bricks);
  if (repeated !== undefined) return repeated;
  const path = bricks.findIndex((brick) =>
    [brick.path, brick.device].some((one = '') => one.split('/').includes('..')),
  );
  if (path >= 0) return `spec.managed.bricks[${path}] must be a path without ..`;
  try {
    poolText(pool, { ...NOBODY, addresses: bricks.map(() => '192.0.2.1:1') });
    return undefined;
  } catch (error) {
    const lines = error instanceof Error ? error.message.split('\n') : [String(error)];
    return lines.map((line) => line.replace(/^pool: (?:in [^:]*: )?/, '')).join('; ');
  }
}
