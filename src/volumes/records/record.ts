import * as v from 'valibot';
import { KayalError, messageOf } from '../../base/errors.js';
import type { MechanismName } from '../../quota/mechanism.js';
import type { Tree } from '../../linux/tree.js';
import { recordPath } from './layout.js';
import { copyStateSchema, type CopyState } from './copy-state.js';

/** The newest format this program writes. A record of a newer one is read as far as it is known, never written. */
export const RECORD_FORMAT = 1;
const MAX_RECORD_BYTES = 64 * 1024;

/**
 * - `creating`: capacity is promised, the data may be half made; only a retry of CreateVolume goes on with it
 * - `ready`: usable
 * - `expanding`: usable; `limitBytes` is already the new limit, which may not be set yet
 * - `deleting`: gone for the CO; the data is on its way to trash, archive or its retained place
 * - `retained`, `archived`: gone for the CO, kept for people; still counted
 */
export type VolumeState = 'creating' | 'ready' | 'expanding' | 'deleting' | 'retained' | 'archived';
export type OnDelete = 'delete' | 'archive' | 'retain';

/**
 * - `directory`: files in a directory, shared by whoever mounts it
 * - `file`: a filesystem in a file of that directory, its image, behind a loop device
 * - `block`: the bare block device of such an image
 * - `hybrid`: a filesystem on the disk of the node that uses it, whose states are in that directory (hybrid/states.ts)
 */
export type VolumeType = 'directory' | 'file' | 'block' | 'hybrid';
export type FsType = 'ext4' | 'xfs';

/** What a volume is to whoever uses it. */
export interface VolumeShape {
  readonly type: VolumeType;
  /** The filesystem of a `file` or `hybrid` volume; absent for the others. */
  readonly fsType?: FsType | undefined;
}

/** Who asked for the volume, as external-provisioner tells with --extra-create-metadata. */
export interface Claim {
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly pv?: string | undefined;
}

/** What a volume's content was, or is being, copied from, and how far that is. */
export interface VolumeContent {
  readonly kind: 'snapshot' | 'volume';
  readonly handle: string;
  /** The copy is complete; where others may make directories, too, it may not be in its place yet. */
  readonly copied: boolean;
  /** Until it is ready, where others may make directories: the name of the complete copy where it was made. */
  readonly attempt?: string | undefined;
  readonly progress?: CopyState | undefined;
  /** Bytes (decimal) whose blocks were shared with the source when the volume was made (FICLONE). */
  readonly sharedBytes?: string | undefined;
}

/** The pod that an inline volume belongs to; the volume goes with it. */
export interface EphemeralUse {
  readonly node: string;
  readonly podUid: string;
  readonly namespace?: string | undefined;
  readonly pod?: string | undefined;
  /** Of the wish that it was made for: tells it from another volume that has its id later. */
  readonly token: string;
}

/** A node that a volume is attached to (ControllerPublishVolume); written by the controller only. */
export interface VolumeAttachment {
  readonly node: string;
  readonly readOnly: boolean;
  /** The access mode and type that were asked for, such as `mount SINGLE_NODE_WRITER`. */
  readonly access: string;
  readonly since: string;
}

/** A node that may not use the volume's image any more, and has not let go of it (life/image-takeover.ts). */
export interface RevokedNode {
  readonly node: string;
  /** Of the image that it holds. */
  readonly epoch: number;
  readonly at: string;
  /** The image is being taken away from it, or was, and what the node has open still takes its space. */
  readonly takeover: boolean;
}

/** The JSON file that says a volume exists; the only source of truth. Times are ISO 8601 in UTC. */
export interface VolumeRecord extends VolumeShape {
  readonly formatVersion: number;
  readonly id: string;
  /** The CO's name for the volume. */
  readonly name: string;
  readonly pool: string;
  readonly poolId: string;
  /** The data, relative to the root of the pool. */
  readonly path: string;
  /** True when Kayal took over an existing directory (a static volume with a size): deleting it touches no data. */
  readonly imported: boolean;
  readonly limitBytes: bigint;
  readonly state: VolumeState;
  readonly quota: { readonly mechanism: MechanismName; readonly projectId?: number | undefined };
  readonly owner: { readonly uid: number; readonly gid: number; readonly mode: number };
  /** The StorageClass parameters as given, to compare a repeated CreateVolume with. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly onDelete: OnDelete;
  /** Usage from here on is an abnormal condition, in percent of the limit (1 to 99); absent: the default (condition.ts). */
  readonly softLimitPercent?: number | undefined;
  /** How many files and directories it may have, its root among them; 0: as many as there is room for; absent: never limited. */
  readonly inodeLimit?: number | undefined;
  readonly claim: Claim;
  /** An inline volume of a pod (docs/ephemeral.md). */
  readonly ephemeral?: EphemeralUse | undefined;
  readonly content?: VolumeContent | undefined;
  readonly attachments?: readonly VolumeAttachment[] | undefined;
  readonly revoked?: RevokedNode | undefined;
  readonly createdAt: string;
  readonly deletedAt?: string | undefined;
  /** Where the data of a deleted volume lies now (trash, archive). */
  readonly movedTo?: string | undefined;
  /** Fields of the file that this program does not know; written back as they were. */
  readonly unknownFields: Readonly<Record<string, unknown>>;
}

const byteCount = v.pipe(
  v.string(),
  v.regex(/^\d{1,19}$/, 'must be a decimal number of bytes'),
  v.transform((text) => BigInt(text)),
);
const optionalText = v.optional(v.string());

const recordSchema = v.looseObject({
  formatVersion: v.pipe(v.number(), v.integer(), v.minValue(1)),
  id: v.string(),
  name: v.string(),
  pool: v.string(),
  poolId: v.string(),
  type: v.picklist(['directory', 'file', 'block', 'hybrid']),
  fsType: v.optional(v.picklist(['ext4', 'xfs'])),
  path: v.pipe(v.string(), v.minLength(1)),
  imported: v.optional(v.boolean(), false),
  limitBytes: byteCount,
  state: v.picklist(['creating', 'ready', 'expanding', 'deleting', 'retained', 'archived']),
  quota: v.object({
    mechanism: v.picklist(['project', 'gluster', 'simple', 'none']),
    projectId: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
  }),
  owner: v.object({ uid: v.number(), gid: v.number(), mode: v.number() }),
  parameters: v.record(v.string(), v.string()),
  onDelete: v.picklist(['delete', 'archive', 'retain']),
  softLimitPercent: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(99))),
  inodeLimit: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0))),
  claim: v.object({ namespace: optionalText, name: optionalText, pv: optionalText }),
  ephemeral: v.optional(
    v.object({
      node: v.string(),
      podUid: v.string(),
      namespace: optionalText,
      pod: optionalText,
      token: v.string(),
    }),
  ),
  content: v.optional(
    v.looseObject({
      kind: v.picklist(['snapshot', 'volume']),
      handle: v.string(),
      copied: v.boolean(),
      attempt: optionalText,
      progress: v.optional(copyStateSchema),
      sharedBytes: v.optional(v.pipe(v.string(), v.regex(/^\d{1,19}$/))),
    }),
  ),
  attachments: v.optional(
    v.array(v.object({ node: v.string(), readOnly: v.boolean(), access: v.string(), since: v.string() })),
  ),
  revoked: v.optional(v.object({ node: v.string(), epoch: v.number(), at: v.string(), takeover: v.boolean() })),
  createdAt: v.string(),
  deletedAt: optionalText,
  movedTo: optionalText,
});
const knownFields = new Set(Object.keys(recordSchema.entries));

/** A record file that cannot be used: torn, not JSON, or not what a record has to be. */
export class DamagedRecord extends KayalError {
  readonly id: string;
  constructor(id: string, path: string, reason: string, options?: ErrorOptions) {
    super('UNAVAILABLE', `the record ${path} of volume ${id} is damaged: ${reason}; see "kayal doctor"`, options);
    this.id = id;
  }
}

/** @throws DamagedRecord when the text is not a record of volume `id` */
export function parseRecord(id: string, text: string, path: string = recordPath(id)): VolumeRecord {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new DamagedRecord(id, path, messageOf(error), { cause: error });
  }
  const parsed = v.safeParse(recordSchema, json);
  if (!parsed.success) {
    const issue = parsed.issues[0];
    throw new DamagedRecord(id, path, `${v.getDotPath(issue) ?? 'record'}: ${issue.message}`);
  }
  const { output } = parsed;
  if (output.id !== id) throw new DamagedRecord(id, path, `it is the record of ${JSON.stringify(output.id)}`);
  if ((output.type === 'file' || output.type === 'hybrid') && output.fsType === undefined) {
    throw new DamagedRecord(id, path, 'fsType: is missing, and the volume has a filesystem of its own');
  }
  const unknownFields = Object.fromEntries(Object.entries(output).filter(([key]) => !knownFields.has(key)));
  return { ...output, unknownFields };
}

function jsonOf({ unknownFields, ...known }: VolumeRecord): object {
  return { ...unknownFields, ...known, limitBytes: String(known.limitBytes) };
}

export function formatRecord(record: VolumeRecord): Buffer {
  return Buffer.from(`${JSON.stringify(jsonOf(record), undefined, 1)}\n`);
}

/** The same on one line, without its end. */
export function formatRecordLine(record: VolumeRecord): string {
  return JSON.stringify(jsonOf(record));
}

/**
 * One volume's record, by one open.
 * @returns undefined when there is none
 * @throws DamagedRecord
 */
export async function readRecord(tree: Tree, id: string): Promise<VolumeRecord | undefined> {
  const data = await tree.readFile(recordPath(id), MAX_RECORD_BYTES);
  return data === undefined ? undefined : parseRecord(id, data.toString('utf8'));
}
