import type { CapacityRange__Output } from '../gen/csi/v1/CapacityRange.js';
import type { CreateVolumeRequest__Output } from '../gen/csi/v1/CreateVolumeRequest.js';
import type { Snapshot } from '../gen/csi/v1/Snapshot.js';
import type { Volume } from '../gen/csi/v1/Volume.js';
import type { VolumeGroupSnapshot } from '../gen/csi/v1/VolumeGroupSnapshot.js';
import type { TopologyRequirement__Output } from '../gen/csi/v1/TopologyRequirement.js';
import type { VolumeContentSource } from '../gen/csi/v1/VolumeContentSource.js';
import { invalidArgument } from '../base/errors.js';
import type { ContentSource } from '../volumes/pool/content-source.js';
import type { CapacityRange } from '../volumes/life/create.js';
import { segmentsOf, type Segments, type TopologyRequirement } from '../volumes/requests/topology.js';
import { formatHandle } from '../volumes/records/handle.js';
import type { VolumeContent, VolumeRecord } from '../volumes/records/record.js';
import type { SnapshotRecord } from '../volumes/records/snapshot-record.js';
import type { GroupSnapshot } from '../volumes/service/snapshot-service.js';

export function parseCapacityRange(range: CapacityRange__Output | null): CapacityRange {
  return { requiredBytes: BigInt(range?.required_bytes ?? 0), limitBytes: BigInt(range?.limit_bytes ?? 0) };
}

/** @param node the one node that reaches the volume; absent: all do */
export function accessibleFrom(node: string | undefined): Pick<Volume, 'accessible_topology'> {
  return node === undefined ? {} : { accessible_topology: [{ segments: segmentsOf(node) }] };
}

/** What the CO says of where a volume has to be reached; its wishes need not be a part of what it requires. */
export function parseTopology(requirement: TopologyRequirement__Output | null): TopologyRequirement {
  const terms = (list: readonly { readonly segments: Segments }[]): Segments[] => list.map(({ segments }) => segments);
  return { requisite: terms(requirement?.requisite ?? []), preferred: terms(requirement?.preferred ?? []) };
}

/** What a PV holds of its volume, for people and as a check: the node trusts the record alone. */
export function volumeContextOf(record: VolumeRecord): Record<string, string> {
  return { pool: record.pool, poolId: record.poolId, path: record.path };
}

/** @param node the one node that reaches it; absent: all do, and it has no topology */
export function volumeOf(record: VolumeRecord, node?: string): Volume {
  return {
    volume_id: formatHandle(record),
    capacity_bytes: String(record.limitBytes),
    volume_context: volumeContextOf(record),
    ...accessibleFrom(node),
    ...(record.content === undefined ? {} : { content_source: contentSourceOf(record.content) }),
  };
}

/** @throws KayalError INVALID_ARGUMENT for a source without a type or an id */
export function parseContentSource(
  source: CreateVolumeRequest__Output['volume_content_source'],
): ContentSource | undefined {
  if (source === null) return undefined;
  const snapshot = source.snapshot?.snapshot_id;
  const volume = source.volume?.volume_id;
  if (snapshot !== undefined && snapshot !== '') return { kind: 'snapshot', handle: snapshot };
  if (volume !== undefined && volume !== '') return { kind: 'volume', handle: volume };
  throw invalidArgument('volume_content_source: names neither a snapshot nor a volume');
}

function contentSourceOf({ kind, handle }: VolumeContent): VolumeContentSource {
  return kind === 'snapshot' ? { snapshot: { snapshot_id: handle } } : { volume: { volume_id: handle } };
}

function timestampOf(time: string): { readonly seconds: string; readonly nanos: number } {
  const ms = Date.parse(time);
  return { seconds: String(Math.floor(ms / 1000)), nanos: (ms % 1000) * 1_000_000 };
}

/** Of a snapshot that is ready. */
export function snapshotOf(record: SnapshotRecord): Snapshot {
  return {
    snapshot_id: formatHandle(record),
    source_volume_id: record.source,
    size_bytes: String(record.sizeBytes),
    creation_time: timestampOf(record.createdAt),
    ready_to_use: record.state === 'ready',
    group_snapshot_id: record.group === undefined ? '' : formatHandle({ pool: record.pool, id: record.group.id }),
  };
}

export function groupSnapshotOf({ handle, createdAt, members }: GroupSnapshot): VolumeGroupSnapshot {
  return {
    group_snapshot_id: handle,
    snapshots: members.map(snapshotOf),
    creation_time: timestampOf(createdAt),
    ready_to_use: members.every(({ state }) => state === 'ready'),
  };
}
