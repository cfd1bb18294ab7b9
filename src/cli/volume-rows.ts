import { messageOf } from '../base/errors.js';
import { Limiter } from '../base/limiter.js';
import { formatBytes } from '../base/units.js';
import { currentState } from '../hybrid/states.js';
import type { Tree } from '../linux/tree.js';
import type { PoolConfig } from '../pools/types.js';
import { noLimits } from '../quota/none.js';
import { readUsage } from '../quota/usage.js';
import { formatHandle } from '../volumes/records/handle.js';
import { readUses } from '../volumes/life/last-use.js';
import { readPool } from '../volumes/service/read-pool.js';
import type { VolumeRecord } from '../volumes/records/record.js';
import type { SnapshotRecord } from '../volumes/records/snapshot-record.js';
import { formatAge, formatTable } from './table.js';
import type { Runtime } from './runtime.js';

const PARALLEL = 6;
const USAGE_DEADLINE_MS = 5_000;

/** One line of `kayal volumes`, and one object of its JSON. Times are ISO 8601 in UTC; what is not known is null. */
export interface VolumeRow {
  readonly handle: string;
  /** `inline`: the ephemeral volume of one pod. */
  readonly kind: 'volume' | 'inline' | 'snapshot';
  /** Handle of the volume that a snapshot was taken of. */
  readonly source: string | null;
  readonly pool: string;
  readonly name: string | null;
  readonly state: VolumeRecord['state'] | 'damaged';
  readonly sizeBytes: number | null;
  readonly usedBytes: number | null;
  /** `namespace/name` of the PersistentVolumeClaim. */
  readonly claim: string | null;
  readonly persistentVolume: string | null;
  /** Whose inline volume it is. */
  readonly pod: { readonly node: string; readonly uid: string; readonly name: string | null } | null;
  readonly path: string | null;
  readonly onDelete: string | null;
  readonly createdAt: string | null;
  readonly deletedAt: string | null;
  /** When a node last noted that it serves the volume; some hours old for a volume in use. */
  readonly lastUsedAt: string | null;
  /** Of a hybrid volume: up to when its newest state in the pool reaches; null: there is none, or it cannot be read. */
  readonly syncedTo?: string | null;
}

/** Every volume and snapshot of a pool, read from the pool itself; no controller has to run. */
export async function readRows(tree: Tree, pool: PoolConfig, { log }: Runtime): Promise<VolumeRow[]> {
  const { catalog, snapshots } = await readPool({ tree, config: pool, mechanism: noLimits, log });
  const uses = await readUses(tree);
  const limiter = new Limiter(PARALLEL);
  const usedBytes = (record: VolumeRecord): Promise<number | null> =>
    limiter.run(async () => {
      try {
        const usage = await readUsage({
          tree,
          target: { path: record.path, projectId: record.quota.projectId },
          mechanism: record.quota.mechanism,
          local: pool.type === 'directory',
          deadlineMs: USAGE_DEADLINE_MS,
        });
        return usage === undefined ? null : Number(usage.used);
      } catch (error) {
        log.debug({ volume: record.id, error: messageOf(error) }, 'usage not read');
        return null;
      }
    });
  const volumes = await Promise.all(
    catalog.sortedIds().map(async (id) => {
      const handle = formatHandle({ pool: pool.name, id });
      const record = catalog.get(id);
      if (record === undefined) return damagedRow(handle, pool.name);
      const { claim } = record;
      const usedAt = uses.get(id)?.usedAt;
      return {
        handle,
        kind: record.ephemeral === undefined ? ('volume' as const) : ('inline' as const),
        source: null,
        pool: pool.name,
        name: record.name,
        state: record.state,
        sizeBytes: Number(record.limitBytes),
        usedBytes: await usedBytes(record),
        claim: claim.name === undefined ? null : `${claim.namespace ?? ''}/${claim.name}`,
        persistentVolume: claim.pv ?? null,
        pod: podOf(record),
        path: record.path,
        onDelete: record.onDelete,
        createdAt: record.createdAt,
        deletedAt: record.deletedAt ?? null,
        // An older note is of a volume that once had the same id.
        lastUsedAt: usedAt !== undefined && usedAt >= record.createdAt ? usedAt : null,
        ...(record.type === 'hybrid' ? { syncedTo: await limiter.run(() => readSyncedTo(tree, record)) } : {}),
      };
    }),
  );
  return [...volumes, ...[...snapshots.records()].map((record) => snapshotRow(record, pool.name))];
}

async function readSyncedTo(tree: Tree, { path }: VolumeRecord): Promise<string | null> {
  try {
    return (await currentState(tree, path))?.header.reaches ?? null;
  } catch {
    // What is wrong with it "kayal doctor" says.
    return null;
  }
}

function podOf({ ephemeral }: VolumeRecord): VolumeRow['pod'] {
  if (ephemeral === undefined) return null;
  const { node, podUid: uid, namespace, pod } = ephemeral;
  return { node, uid, name: pod === undefined ? null : `${namespace ?? ''}/${pod}` };
}

function snapshotRow(record: SnapshotRecord, pool: string): VolumeRow {
  return {
    ...damagedRow(formatHandle({ pool, id: record.id }), pool),
    kind: 'snapshot',
    source: record.source,
    name: record.name,
    state: record.state,
    sizeBytes: Number(record.sizeBytes),
    usedBytes: Number(record.usedBytes),
    path: record.path,
    createdAt: record.createdAt,
    deletedAt: record.deletedAt ?? null,
  };
}

function damagedRow(handle: string, pool: string): VolumeRow {
  return {
    handle,
    kind: 'volume',
    source: null,
    pool,
    name: null,
    state: 'damaged',
    sizeBytes: null,
    usedBytes: null,
    claim: null,
    persistentVolume: null,
    pod: null,
    path: null,
    onDelete: null,
    createdAt: null,
    deletedAt: null,
    lastUsedAt: null,
  };
}

export interface RowFilter {
  /** The handles of all PersistentVolumes: only volumes that are not among them. */
  readonly orphansOf?: ReadonlySet<string> | undefined;
  readonly unusedForMs?: number | undefined;
  /** The handles of the PersistentVolumes that no pod uses now: only volumes that are among them. */
  readonly idle?: ReadonlySet<string> | undefined;
  readonly archived: boolean;
  readonly retained: boolean;
}

/** Volumes that the CO still has. */
function isLive({ kind, state }: VolumeRow): boolean {
  return kind === 'volume' && (state === 'ready' || state === 'expanding');
}

/** @param now milliseconds since the epoch */
export function filterRows(rows: readonly VolumeRow[], filter: RowFilter, now: number): VolumeRow[] {
  const { orphansOf, unusedForMs, idle, archived, retained } = filter;
  return rows.filter((row) => {
    if (orphansOf !== undefined && (!isLive(row) || orphansOf.has(row.handle))) return false;
    if (idle !== undefined && !idle.has(row.handle)) return false;
    if (archived && row.state !== 'archived') return false;
    if (retained && row.state !== 'retained') return false;
    if (unusedForMs === undefined) return true;
    const since = Date.parse(row.lastUsedAt ?? row.createdAt ?? '');
    return (isLive(row) || row.kind === 'inline') && now - since > unusedForMs;
  });
}

const bytes = (count: number | null): string => (count === null ? '-' : formatBytes(BigInt(count)));
const ago = (time: string | null, now: number): string => (time === null ? '-' : formatAge(now - Date.parse(time)));

/** @param now milliseconds since the epoch */
export function formatRows(rows: readonly VolumeRow[], now: number): string {
  const header = ['NAME', 'KIND', 'SIZE', 'USED', 'AGE', 'CLAIM', 'STATE', 'LAST USED'];
  const hasHybrid = rows.some(({ syncedTo }) => syncedTo !== undefined);
  if (hasHybrid) header.push('SYNCED');
  const lines = rows.map((row) => [
    row.handle,
    row.kind,
    bytes(row.sizeBytes),
    bytes(row.usedBytes),
    ago(row.createdAt, now),
    row.pod === null ? (row.claim ?? '-') : `pod ${row.pod.name ?? row.pod.uid} on ${row.pod.node}`,
    row.state,
    row.lastUsedAt === null ? '-' : `${ago(row.lastUsedAt, now)} ago`,
    ...(hasHybrid ? [row.syncedTo == null ? '-' : `${ago(row.syncedTo, now)} ago`] : []),
  ]);
  return formatTable(header, lines, new Set(['SIZE', 'USED', 'AGE']));
}
