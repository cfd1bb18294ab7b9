import type { Problem, RawPool } from './config-problem.js';

/** A directory that a pool takes for itself, with everything below it. */
interface Claim {
  readonly key: string;
  readonly path: string;
  /** The only node that has this tree; undefined: this machine, or every node. */
  readonly node: string | undefined;
}

function claim(key: string, path: unknown, node?: unknown): readonly Claim[] {
  if (typeof path !== 'string' || !path.startsWith('/')) return [];
  return [{ key, path: path.replace(/\/+$/, ''), node: typeof node === 'string' ? node : undefined }];
}

function claimsOf(pool: RawPool, index: number): readonly Claim[] {
  const { type, bricks, path, node, remote } = pool;
  if (type === 'directory') return claim(`pools[${index}].path`, path, node);
  // Remote bricks lie on machines of their own.
  if (type !== 'managed' || remote !== undefined || !Array.isArray(bricks)) return [];
  return bricks.flatMap((brick: unknown, number) => claim(`pools[${index}].bricks[${number}]`, brick));
}

/** Directories of two different nodes are different ones, even under the same path. */
function mayMeet(a: Claim, b: Claim): boolean {
  return a.node === undefined || b.node === undefined || a.node === b.node;
}

function overlap(earlier: Claim, later: Claim): string | undefined {
  if (!mayMeet(earlier, later)) return undefined;
  if (earlier.path === later.path) return `must not be ${earlier.key} too`;
  if (later.path.startsWith(`${earlier.path}/`)) return `must not lie inside ${earlier.key} (${earlier.path})`;
  if (earlier.path.startsWith(`${later.path}/`)) return `must not contain ${earlier.key} (${earlier.path})`;
  return undefined;
}

/** No directory belongs to two pools or twice to one: two writers would promise the same space and undo each other's work. */
function sharedDirectories(pools: readonly RawPool[]): readonly Problem[] {
  const claims = pools.flatMap(claimsOf);
  return claims.flatMap((later, index) => {
    for (const earlier of claims.slice(0, index)) {
      const message = overlap(earlier, later);
      if (message !== undefined) return [{ key: later.key, message }];
    }
    return [];
  });
}

function repeatedNames(pools: readonly RawPool[]): readonly Problem[] {
  return pools.flatMap(({ name }, index) => {
    const first = pools.findIndex((other) => other['name'] === name);
    if (typeof name !== 'string' || first === index) return [];
    return [{ key: `pools[${index}].name`, message: `must not be the name of pools[${first}] too` }];
  });
}

function haveHostInCommon({ hosts: a }: RawPool, { hosts: b }: RawPool): boolean {
  return Array.isArray(a) && Array.isArray(b) && a.some((host) => b.includes(host));
}

/** The same volume is recognized by a host that both lists have; other names for one server are found by pool.json. */
function repeatedVolumes(pools: readonly RawPool[]): readonly Problem[] {
  return pools.flatMap((pool, index) => {
    if (pool['type'] !== 'gluster' || typeof pool['volume'] !== 'string') return [];
    const first = pools.findIndex((other) => other['volume'] === pool['volume'] && haveHostInCommon(other, pool));
    if (first < 0 || first === index) return [];
    return [{ key: `pools[${index}].volume`, message: `must not be the volume of pools[${first}] too` }];
  });
}

/** What is wrong between the pools of one file. */
export function findConflicts(pools: readonly RawPool[]): readonly Problem[] {
  return [...repeatedNames(pools), ...sharedDirectories(pools), ...repeatedVolumes(pools)];
}
