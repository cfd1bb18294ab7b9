import * as v from 'valibot';
import { KayalError, messageOf } from '../../base/errors.js';
import { copyStateSchema, type CopyState } from './copy-state.js';
import { bucketOf } from './handle.js';
import { SNAPSHOTS_DATA_DIRECTORY, SNAPSHOTS_DIRECTORY } from './layout.js';
import type { FsType, VolumeType } from './record.js';

/** The newest format this program writes. A record of a newer one is read as far as it is known, never written. */
export const SNAPSHOT_FORMAT = 1;

/**
 * - `creating`: its space is promised, the content is being copied
 * - `ready`: whole, and never changed again
 * - `deleting`: gone for the CO; the data is on its way to the trash
 */
export type SnapshotState = 'creating' | 'ready' | 'deleting';

/** The group snapshot that a snapshot was taken with; the same in all its members, which are what says that it exists. */
export interface SnapshotGroup {
  readonly id: string;
  readonly name: string;
  /** Handles of all volumes of the group, sorted. */
  readonly sources: readonly string[];
  readonly createdAt: string;
}

/** The JSON file that says a snapshot exists. Times are ISO 8601 in UTC. */
export interface SnapshotRecord {
  readonly formatVersion: number;
  readonly type: 'snapshot';
  readonly id: string;
  /** The CO's name for the snapshot. */
  readonly name: string;
  readonly pool: string;
  readonly poolId: string;
  /** Handle of the volume it was taken of, which may be gone. */
  readonly source: string;
  /** The content, relative to the root of the pool. */
  readonly path: string;
  /** What the volume was: a volume made from it is the same. */
  readonly volumeType: VolumeType;
  readonly fsType?: FsType | undefined;
  /** The limit of the volume then: a volume made from it has at least this one. */
  readonly sizeBytes: bigint;
  /** What the pool has promised to it: what its source used when it was taken. */
  readonly usedBytes: bigint;
  /** Of the content, what is shared with other data (FICLONE) and takes no space of its own yet. */
  readonly sharedBytes: bigint;
  readonly state: SnapshotState;
  /** How far the copy was when this was written. */
  readonly progress?: CopyState | undefined;
  readonly group?: SnapshotGroup | undefined;
  readonly createdAt: string;
  readonly deletedAt?: string | undefined;
  /** Fields of the file that this program does not know; written back as they were. */
  readonly unknownFields: Readonly<Record<string, unknown>>;
}

const byteCount = v.pipe(
  v.string(),
  v.regex(/^\d{1,19}$/, 'must be a decimal number of bytes'),
  v.transform((text) => BigInt(text)),
);

const schema = v.looseObject({
  formatVersion: v.pipe(v.number(), v.integer(), v.minValue(1)),
  type: v.literal('snapshot'),
  id: v.string(),
  name: v.string(),
  pool: v.string(),
  poolId: v.string(),
  source: v.string(),
  path: v.pipe(v.string(), v.minLength(1)),
  // The first snapshots were all of directories.
  volumeType: v.optional(v.picklist(['directory', 'file', 'block', 'hybrid']), 'directory'),
  fsType: v.optional(v.picklist(['ext4', 'xfs'])),
  sizeBytes: byteCount,
  usedBytes: byteCount,
  sharedBytes: v.optional(byteCount, '0'),
  state: v.picklist(['creating', 'ready', 'deleting']),
  progress: v.optional(copyStateSchema),
  group: v.optional(
    v.object({ id: v.string(), name: v.string(), sources: v.array(v.string()), createdAt: v.string() }),
  ),
  createdAt: v.string(),
  deletedAt: v.optional(v.string()),
});
const knownFields = new Set(Object.keys(schema.entries));

export function snapshotRecordPath(id: string): string {
  return `${SNAPSHOTS_DIRECTORY}/${bucketOf(id)}/${id}.json`;
}

export function snapshotDataPath(id: string): string {
  return `${SNAPSHOTS_DATA_DIRECTORY}/${id}`;
}

/** A snapshot's record file that cannot be used. */
export class DamagedSnapshot extends KayalError {
  readonly id: string;
  constructor(id: string, path: string, reason: string, options?: ErrorOptions) {
    super('UNAVAILABLE', `the record ${path} of snapshot ${id} is damaged: ${reason}; see "kayal doctor"`, options);
    this.id = id;
  }
}

/** @throws DamagedSnapshot when the text is not a record of snapshot `id` */
export function parseSnapshot(id: string, text: string, path: string = snapshotRecordPath(id)): SnapshotRecord {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new DamagedSnapshot(id, path, messageOf(error), { cause: error });
  }
  const parsed = v.safeParse(schema, json);
  if (!parsed.success) {
    const issue = parsed.issues[0];
    throw new DamagedSnapshot(id, path, `${v.getDotPath(issue) ?? 'record'}: ${issue.message}`);
  }
  const { output } = parsed;
  if (output.id !== id) throw new DamagedSnapshot(id, path, `it is the record of ${JSON.stringify(output.id)}`);
  const unknownFields = Object.fromEntries(Object.entries(output).filter(([key]) => !knownFields.has(key)));
  return { ...output, unknownFields };
}

export function formatSnapshot(record: SnapshotRecord): Buffer {
  const { unknownFields, sizeBytes, usedBytes, sharedBytes, ...known } = record;
  const bytes = { sizeBytes: String(sizeBytes), usedBytes: String(usedBytes), sharedBytes: String(sharedBytes) };
  return Buffer.from(`${JSON.stringify({ ...unknownFields, ...known, ...bytes }, undefined, 1)}\n`);
}
