import { aborted, failedPrecondition, notFound } from '../../base/errors.js';
import { parseHandle } from '../records/handle.js';
import type { VolumeRecord, VolumeShape } from '../records/record.js';
import type { Session } from './session.js';

/** What a volume's content is copied from, as CreateVolume says it (volume_content_source). */
export interface ContentSource {
  readonly kind: 'snapshot' | 'volume';
  readonly handle: string;
}

/** A source that is there and whole, in the session of its pool. */
export interface OpenSource {
  readonly session: Session;
  /** Relative to the root of its pool. */
  readonly path: string;
  /** A copy is the same. */
  readonly shape: VolumeShape;
  /** A copy gets at least this limit, in bytes. */
  readonly sizeBytes: bigint;
}

/** The pools by name, as far as finding a source needs them. */
export type SourcePools = ReadonlyMap<string, { session(): Promise<Session> }>;

/** True while the volume can be read: its content is complete, nobody deletes it, and it is not one pod's own. */
export function isReadable(record: VolumeRecord | undefined): record is VolumeRecord {
  if (record === undefined || record.ephemeral !== undefined) return false;
  return record.state === 'ready' || record.state === 'expanding';
}

/**
 * Finds the source of a copy.
 * @throws KayalError NOT_FOUND; ABORTED while it is still being made; UNAVAILABLE while its pool is down
 */
export async function openSource(pools: SourcePools, source: ContentSource): Promise<OpenSource> {
  const { kind, handle } = source;
  const parsed = parseHandle(handle);
  const pool = parsed === undefined ? undefined : pools.get(parsed.pool);
  if (parsed === undefined || pool === undefined) throw notFound(`source ${kind} ${handle} does not exist`);
  const session = await pool.session();
  if (kind === 'snapshot') {
    const damaged = session.snapshots.damagedRecord(parsed.id);
    if (damaged !== undefined) throw damaged;
    const record = session.snapshots.get(parsed.id);
    if (record?.state === 'creating') throw aborted(`source snapshot ${handle} is still being made; retry`);
    if (record?.state !== 'ready') throw notFound(`source snapshot ${handle} does not exist`);
    const { path, sizeBytes, volumeType: type, fsType } = record;
    return { session, path, shape: { type, fsType }, sizeBytes };
  }
  const damaged = session.catalog.damagedRecord(parsed.id);
  if (damaged !== undefined) throw damaged;
  const record = session.catalog.get(parsed.id);
  if (record?.state === 'creating') throw aborted(`source volume ${handle} is still being made; retry`);
  if (!isReadable(record)) throw notFound(`source volume ${handle} does not exist`);
  if (record.revoked?.takeover === true) {
    throw aborted(`source volume ${handle} is being taken away from node ${record.revoked.node}; retry`);
  }
  const { path, type, fsType, limitBytes: sizeBytes } = record;
  return { session, path, shape: { type, fsType }, sizeBytes };
}

/**
 * Refuses while a copy reads the source, in whichever pool.
 * @param open the sessions of all pools that are open
 * @throws KayalError FAILED_PRECONDITION naming what is being made from it
 */
export function assertNotRead(open: Iterable<Session>, source: ContentSource): void {
  const { kind, handle } = source;
  for (const session of open) {
    for (const { content, pool, id } of session.catalog.creating()) {
      if (content?.kind !== kind || content.handle !== handle) continue;
      throw failedPrecondition(`${kind} ${handle} is in use: volume ${pool}/${id} is being made from it; retry later`);
    }
    if (kind === 'snapshot') continue;
    for (const { state, source: from, pool, id } of session.snapshots.records()) {
      if (state !== 'creating' || from !== handle) continue;
      throw failedPrecondition(`volume ${handle} is in use: snapshot ${pool}/${id} of it is being taken; retry later`);
    }
  }
}
