import { invalidArgument } from '../../base/errors.js';
import { MiB, maxBytes } from '../../base/units.js';
import type { FsType, VolumeShape } from '../records/record.js';
import type { VolumeAccess } from './capabilities.js';
import type { VolumeParameters } from './parameters.js';

/** A `file` volume without an fsType leaves it open: what it is made from decides, else the default. */
export const DEFAULT_FS_TYPE: FsType = 'ext4';

/** Smallest filesystems: mkfs.xfs(8) refuses less than 300 MiB since xfsprogs 5.19; on less than 16 MiB ext4 is mostly its own journal. */
const MINIMUM_BYTES: Readonly<Record<FsType, bigint>> = { ext4: 16n * MiB, xfs: 300n * MiB };

export function isImage({ type }: Pick<VolumeShape, 'type'>): boolean {
  return type === 'file' || type === 'block';
}

/** True for a volume whose directory in the pool is what pods see; nobody but root finds the others'. */
export function isShown({ type }: Pick<VolumeShape, 'type'>): boolean {
  return type === 'directory';
}

/** The shape for people, in the words of a StorageClass. */
export function describeShape({ type, fsType }: VolumeShape): string {
  switch (type) {
    case 'directory':
      return 'a directory';
    case 'file':
      return `a filesystem in a file (volumeType: file${fsType === undefined ? '' : `, ${fsType}`})`;
    case 'block':
      return 'a raw block volume (volumeMode: Block)';
    case 'hybrid':
      return 'a hybrid volume (volumeType: hybrid)';
  }
}

/** The smallest volume of that shape, in bytes. */
export function minimumBytesOf({ type, fsType }: VolumeShape, mechanismMinimum: bigint): bigint {
  return type === 'file' || type === 'hybrid'
    ? maxBytes(mechanismMinimum, MINIMUM_BYTES[fsType ?? DEFAULT_FS_TYPE])
    : mechanismMinimum;
}

/**
 * What CreateVolume asks for. `fsType` stays open when neither the class nor a capability says it.
 * @throws KayalError INVALID_ARGUMENT when parameters and capabilities contradict each other
 */
export function chooseShape(
  { volumeType, fsType }: Pick<VolumeParameters, 'volumeType' | 'fsType'>,
  accesses: readonly VolumeAccess[],
): VolumeShape {
  const blocks = accesses.filter(({ kind }) => kind === 'block').length;
  if (blocks > 0 && blocks < accesses.length) {
    throw invalidArgument('volume_capabilities: ask for a mount and for a block device; a volume is one of them');
  }
  if (blocks === 0 && volumeType === 'directory' && fsType !== undefined) {
    throw invalidArgument(
      `parameter fsType: a directory has no filesystem of its own: add volumeType: file, or leave fsType out`,
    );
  }
  const asked = [fsType, ...accesses.map((access) => access.fsType)].find((type) => type !== undefined);
  if (blocks > 0 && volumeType === 'hybrid') {
    throw invalidArgument('parameter volumeType: hybrid: volumeMode: Block is not possible with it, take Filesystem');
  }
  if (volumeType === 'hybrid' && asked !== undefined && asked !== 'ext4') {
    throw invalidArgument(`parameter fsType: ${asked}: the filesystem of a hybrid volume is ext4`);
  }
  const shape: VolumeShape =
    blocks > 0
      ? { type: 'block' }
      : volumeType === 'directory'
        ? { type: 'directory' }
        : { type: volumeType, fsType: volumeType === 'hybrid' ? 'ext4' : asked };
  const problem = whyNotShape(shape, accesses);
  if (problem !== undefined) throw invalidArgument(problem);
  return shape;
}

/** Why a volume of this shape cannot be used in these ways; undefined when it can. */
export function whyNotShape(shape: VolumeShape, accesses: readonly VolumeAccess[]): string | undefined {
  for (const { kind, mode, multiNode, fsType } of accesses) {
    if ((kind === 'block') !== (shape.type === 'block')) {
      return `the volume is ${describeShape(shape)}, ${kind === 'block' ? 'block access (volumeMode: Block)' : 'a mount'} is asked for`;
    }
    if (shape.type === 'directory') continue;
    if (multiNode && isImage(shape)) {
      return `access mode ${mode} is not possible: the volume is ${describeShape(shape)}, which one node at a time can use; take a directory volume (volumeType: directory) to share it`;
    }
    if (fsType !== undefined && shape.fsType !== undefined && fsType !== shape.fsType) {
      return `fsType ${fsType} is asked for, the volume's is ${shape.fsType}`;
    }
  }
  return undefined;
}
