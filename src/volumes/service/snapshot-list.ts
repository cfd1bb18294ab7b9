import { aborted, unavailable } from '../../base/errors.js';
import type { ControlledPool } from './controlled-pool.js';
import { formatHandle, parseHandle } from '../records/handle.js';
import { firstAfter } from './list.js';
import type { SnapshotRecord } from '../records/snapshot-record.js';

/** More do not fit into the 4 MiB that a Go client receives by default. */
const MAX_PAGE = 2_000;

export interface SnapshotQuery {
  /** Handles; empty: all. */
  readonly snapshot: string;
  readonly source: string;
  readonly token: string;
  /** 0: as many as fit. */
  readonly maxEntries: number;
}

export interface SnapshotPage {
  readonly snapshots: readonly SnapshotRecord[];
  /** Where the next page starts; empty on the last one. */
  readonly nextToken: string;
}

/**
 * One page of the snapshots of all pools, in the order of their handles; a token is the handle after which the page starts.
 * Those whose copy is not complete are left out: they are not cut yet (csi.proto, ListSnapshots).
 * A pool that is down is answered from what was last known of it.
 * @throws KayalError ABORTED for a token that no page gave; UNAVAILABLE when what is asked for is in a pool never seen yet
 */
export function listSnapshots(pools: Iterable<ControlledPool>, query: SnapshotQuery): SnapshotPage {
  const start = query.token === '' ? undefined : parseHandle(query.token);
  if (query.token !== '' && start === undefined) {
    throw aborted(`starting_token ${JSON.stringify(query.token)} is not one of this driver: start again without one`);
  }
  const limit = query.maxEntries === 0 ? MAX_PAGE : Math.min(query.maxEntries, MAX_PAGE);
  const snapshots: SnapshotRecord[] = [];
  const asked = new Set([query.snapshot, query.source].map((handle) => parseHandle(handle)?.pool));
  const sorted = [...pools].sort((a, b) => (a.config.name < b.config.name ? -1 : 1));
  for (const pool of sorted) {
    const { name } = pool.config;
    if (start !== undefined && name < start.pool) continue;
    const catalog = pool.seenSnapshots();
    if (catalog === undefined) {
      if (asked.has(name)) throw unavailable(`pool ${name} is not available: ${pool.reason()}`);
      continue;
    }
    const ids = catalog.sortedIds();
    for (let i = name === start?.pool ? firstAfter(ids, start.id) : 0; i < ids.length; i++) {
      const record = catalog.get(ids[i] ?? '');
      if (record?.state !== 'ready') continue;
      if (query.snapshot !== '' && formatHandle(record) !== query.snapshot) continue;
      if (query.source !== '' && record.source !== query.source) continue;
      const last = snapshots.at(-1);
      if (snapshots.length === limit && last !== undefined) return { snapshots, nextToken: formatHandle(last) };
      snapshots.push(record);
    }
  }
  return { snapshots, nextToken: '' };
}
