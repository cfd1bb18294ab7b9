import { invalidArgument } from '../../base/errors.js';
import { formatBytes } from '../../base/units.js';
import type { ContentSource } from '../pool/content-source.js';
import type { Claim, EphemeralUse, VolumeRecord, VolumeShape } from '../records/record.js';
import type { MutableParameters } from '../requests/mutable-parameters.js';
import { ownParameters, type VolumeParameters } from '../requests/parameters.js';
import type { TopologyRequirement } from '../requests/topology.js';
import { DEFAULT_FS_TYPE, describeShape } from '../requests/volume-shape.js';

/** Bytes that the CO asks for; 0n: no wish. */
export interface CapacityRange {
  readonly requiredBytes: bigint;
  readonly limitBytes: bigint;
}

export interface WantedVolume {
  readonly name: string;
  readonly capacity: CapacityRange;
  readonly parameters: VolumeParameters;
  /** Absent: a directory. */
  readonly shape?: VolumeShape | undefined;
  /** As the CO gave them. */
  readonly givenParameters: Readonly<Record<string, string>>;
  /** Of a VolumeAttributesClass; they go before `parameters`. */
  readonly mutable?: MutableParameters | undefined;
  readonly claim: Claim;
  /** The pod that it is made for; absent: a PersistentVolume. */
  readonly ephemeral?: EphemeralUse | undefined;
  /** What its content is copied from; absent: it is empty. */
  readonly content?: ContentSource | undefined;
  /** From where it has to be reached; absent: it does not matter. */
  readonly topology?: TopologyRequirement | undefined;
}

const DIRECTORY: VolumeShape = { type: 'directory' };

/**
 * What the volume will be: what is asked for, and where that leaves the filesystem open, the source's.
 * @throws KayalError INVALID_ARGUMENT when the source is something else
 */
export function shapeFor({ shape = DIRECTORY, content }: WantedVolume, source: VolumeShape | undefined): VolumeShape {
  if (source !== undefined && content !== undefined) {
    const same = source.type === shape.type && (shape.fsType === undefined || shape.fsType === source.fsType);
    if (same) return source;
    throw invalidArgument(
      `volume_content_source: ${content.kind} ${content.handle} is of ${describeShape(source)}, ${describeShape(shape)} cannot be made from it`,
    );
  }
  return shape.type === 'file' ? { type: 'file', fsType: shape.fsType ?? DEFAULT_FS_TYPE } : shape;
}

/** What of an existing volume differs from what is asked for; undefined when it is the same volume. */
export function difference(record: VolumeRecord, wanted: WantedVolume): string | undefined {
  const { requiredBytes, limitBytes } = wanted.capacity;
  if (record.ephemeral?.podUid !== wanted.ephemeral?.podUid) return 'it is the inline volume of a pod, or is not';
  if (record.name !== wanted.name) return `it is called ${JSON.stringify(record.name)}`;
  if (record.limitBytes < requiredBytes) {
    return `it has ${formatBytes(record.limitBytes)}, ${formatBytes(requiredBytes)} are required`;
  }
  if (limitBytes !== 0n && record.limitBytes > limitBytes) {
    return `it has ${formatBytes(record.limitBytes)}, at most ${formatBytes(limitBytes)} are allowed`;
  }
  if (record.content?.kind !== wanted.content?.kind || record.content?.handle !== wanted.content?.handle) {
    return `it is made ${describeSource(record.content)}, ${describeSource(wanted.content)} is asked for`;
  }
  const { type, fsType } = wanted.shape ?? DIRECTORY;
  if (record.type !== type || (fsType !== undefined && record.fsType !== fsType)) {
    return `it is ${describeShape(record)}, ${describeShape({ type, fsType })} is asked for`;
  }
  const given = ownParameters(wanted.givenParameters);
  for (const key of new Set([...Object.keys(record.parameters), ...Object.keys(given)])) {
    // Which pool was chosen is on record; another list that still names it asks for the same.
    if (key === 'pool') continue;
    if (record.parameters[key] !== given[key]) {
      return `its parameter ${key} is ${JSON.stringify(record.parameters[key])}, ${JSON.stringify(given[key])} is asked for`;
    }
  }
  return undefined;
}

function describeSource(source: ContentSource | undefined): string {
  return source === undefined ? 'empty' : `from ${source.kind} ${source.handle}`;
}
