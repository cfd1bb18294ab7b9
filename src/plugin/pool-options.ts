import { UsageError } from '../cli/usage-error.js';
import type { StoragePool } from '../operator/storage-pool.js';
import { assignments } from './pool-object.js';

const HELP = 'kubectl kayal pool set --help';
const NAMES = 'overcommit (percent), client-cache (yes, no), option.NAME (of an existing volume)';

function wrong(problem: string): UsageError {
  return new UsageError([problem], HELP);
}

/** The part of a spec that an option is about; a value of undefined gives it its default. */
function patchOf({ spec }: StoragePool, name: string, value: string | undefined): object {
  if (name === 'overcommit') {
    if (value !== undefined && !/^[1-9]\d{0,5}$/.test(value))
      throw wrong(`overcommit: must be a percentage such as 150 (is ${value})`);
    return { overcommitPercent: value === undefined ? null : Number(value) };
  }
  if (name === 'client-cache') {
    if (spec.managed === undefined) throw wrong('client-cache: is for pools whose bricks Kayal runs');
    if (value !== undefined && value !== 'yes' && value !== 'no')
      throw wrong(`client-cache: must be yes or no (is ${value})`);
    return { managed: { clientCache: value === undefined ? null : value === 'yes' } };
  }
  if (name.startsWith('option.')) {
    if (spec.external === undefined) throw wrong(`${name}: options of glusterfs(8) are for existing volumes`);
    return { external: { options: { [name.slice('option.'.length)]: value ?? null } } };
  }
  throw wrong(`${name}: is no option of a pool; there is ${NAMES}`);
}

/** Of several patches the last one wins, key by key. */
function merged(a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
  const both = Object.entries(b).map(([key, value]) => {
    const old = a[key];
    return [key, isObject(old) && isObject(value) ? merged(old, value) : value];
  });
  return { ...a, ...(Object.fromEntries(both) as Record<string, unknown>) };
}

function patchAll(pool: StoragePool, changes: readonly (readonly [string, string | undefined])[]): object {
  if (changes.length === 0) throw wrong(`an option is missing; there is ${NAMES}`);
  const spec = changes.map(([name, value]) => patchOf(pool, name, value) as Record<string, unknown>);
  return { spec: spec.reduce(merged, {}) };
}

/** JSON merge patch for `pool set`. @throws UsageError */
export function setPatch(pool: StoragePool, texts: readonly string[]): object {
  return patchAll(pool, Object.entries(assignments('pool set', texts)));
}

/** JSON merge patch for `pool unset`. @throws UsageError */
export function unsetPatch(pool: StoragePool, names: readonly string[]): object {
  return patchAll(
    pool,
    names.map((name) => [name, undefined]),
  );
}
