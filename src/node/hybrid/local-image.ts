import type { Tree } from '../../linux/tree.js';
import { IMAGE } from '../../hybrid/places.js';
import type { NodeVolume } from '../volume.js';
import type { ImageVolume } from '../images/attach.js';
import type { VolumeRecord } from '../../volumes/records/record.js';

/** Key of the io workers for what lies on this node's disk: a pool that hangs keeps nobody from it. */
export const LOCAL = 'hybrid';

/** A hybrid volume, as its record says it. */
export interface HybridVolume extends NodeVolume {
  readonly record: VolumeRecord;
}

/** The volume, when it is a hybrid one. */
export function hybridVolumeOf(volume: NodeVolume): HybridVolume | undefined {
  const { record } = volume;
  return record?.type === 'hybrid' ? { ...volume, record } : undefined;
}

/** By this the code for images knows a copy. */
export function localId(place: string): string {
  return place.replaceAll('/', '.');
}

/**
 * A copy on this node, for the code that works with filesystems in files (node/images): as a volume of type `file` in a pool
 * whose root is the directory of the copies.
 * @param place of the copy, see hybrid/places.ts
 */
export function localImage(local: Tree, { handle, attachment, record }: HybridVolume, place: string): ImageVolume {
  return {
    handle,
    attachment: { ...attachment, pool: { ...attachment.pool, name: LOCAL }, tree: local, root: local.root },
    path: place,
    record: { ...record, id: localId(place), path: place, type: 'file', fsType: 'ext4' },
  };
}

/** Whether a copy has an image. */
export async function hasImage(local: Tree, place: string): Promise<boolean> {
  return (await local.stat(`${place}/${IMAGE}`)) !== undefined;
}
