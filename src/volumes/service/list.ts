import { aborted } from '../../base/errors.js';
import { conditionOf, type Condition } from '../health/condition.js';
import type { ControlledPool } from './controlled-pool.js';
import { formatHandle, parseHandle } from '../records/handle.js';
import type { VolumeRecord } from '../records/record.js';

/** More do not fit into the 4 MiB that a Go client receives by default. */
const MAX_PAGE = 2_000;

export interface ListedVolume {
  readonly handle: string;
  /** Absent for a damaged record. */
  readonly record?: VolumeRecord | undefined;
  readonly condition: Condition;
}

export interface VolumePage {
  readonly volumes: readonly ListedVolume[];
  /** Where the next page starts; empty on the last one. */
  readonly nextToken: string;
}

/** False for volumes that are gone for the CO, and for inline volumes of pods: it knows no PersistentVolume of theirs. */
export function isListed(record: VolumeRecord): boolean {
  return record.ephemeral === undefined && (record.state === 'ready' || record.state === 'expanding');
}

/** The index of the first element that is greater than `after`. */
export function firstAfter(sorted: readonly string[], after: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? '') <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * One page of all volumes, in the order of their handles: a token is the handle after which the page starts, so that
 * volumes made or deleted between pages neither repeat nor hide others.
 * Usage is what was last sampled, so that a list costs no look at a volume.
 * @param pools in any order; one that is down is answered from what was last known, each volume marked abnormal
 * @param heals entries to heal, by pool, as far as that is known
 * @throws KayalError ABORTED for a token that no page gave
 */
export function listVolumes(
  pools: Iterable<ControlledPool>,
  token: string,
  maxEntries: number,
  heals: ReadonlyMap<string, number> = new Map(),
): VolumePage {
  const start = token === '' ? undefined : parseHandle(token);
  if (token !== '' && start === undefined) {
    throw aborted(`starting_token ${JSON.stringify(token)} is not one of this driver: start again without one`);
  }
  const limit = maxEntries === 0 ? MAX_PAGE : Math.min(maxEntries, MAX_PAGE);
  const volumes: ListedVolume[] = [];
  const sorted = [...pools].sort((a, b) => (a.config.name < b.config.name ? -1 : 1));
  for (const pool of sorted) {
    const { name } = pool.config;
    if (start !== undefined && name < start.pool) continue;
    const catalog = pool.listedCatalog();
    if (catalog === undefined) continue;
    const down = pool.current() === undefined ? `pool ${name} is not available: ${pool.reason()}` : undefined;
    const ids = catalog.sortedIds();
    for (let i = name === start?.pool ? firstAfter(ids, start.id) : 0; i < ids.length; i++) {
      const id = ids[i] ?? '';
      const record = catalog.get(id);
      const damaged = catalog.damagedRecord(id);
      if (damaged === undefined && (record === undefined || !isListed(record))) continue;
      if (volumes.length === limit) return { volumes, nextToken: volumes.at(-1)?.handle ?? '' };
      const condition = conditionOf({
        pool: name,
        record,
        used: pool.current()?.capacity.usedBy(id),
        problem: damaged?.message ?? down,
        pendingHeals: heals.get(name),
      });
      volumes.push({ handle: formatHandle({ pool: name, id }), record, condition });
    }
  }
  return { volumes, nextToken: '' };
}
