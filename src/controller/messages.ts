import type { CapacityRange__Output } from '../gen/csi/v1/CapacityRange.js';
import type { Volume } from '../gen/csi/v1/Volume.js';
import type { CapacityRange } from '../volumes/create.js';
import { formatHandle } from '../volumes/handle.js';
import type { VolumeRecord } from '../volumes/record.js';

export function parseCapacityRange(range: CapacityRange__Output | null): CapacityRange {
  return { requiredBytes: BigInt(range?.required_bytes ?? 0), limitBytes: BigInt(range?.limit_bytes ?? 0) };
}

/** What a PV holds of its volume, for people and as a check: the node trusts the record alone. */
export function volumeContextOf(record: VolumeRecord): Record<string, string> {
  return { pool: record.pool, poolId: record.poolId, path: record.path };
}

export function volumeOf(record: VolumeRecord): Volume {
  return {
    volume_id: formatHandle(record),
    capacity_bytes: String(record.limitBytes),
    volume_context: volumeContextOf(record),
  };
}
