import { formatBytes } from '../../base/units.js';
import type { Tree } from '../../linux/tree.js';
import { imageEpochIn } from '../leases/image-lease.js';
import { imagePath } from '../records/layout.js';
import type { VolumeRecord } from '../records/record.js';

/** What is wrong with the image of a `file` or `block` volume; undefined when nothing is. */
export async function imageProblem(tree: Tree, record: VolumeRecord): Promise<string | undefined> {
  const { path, limitBytes, state } = record;
  const epoch = await imageEpochIn(tree, path);
  const image = epoch === undefined ? undefined : imagePath(path, epoch);
  const entry = image === undefined ? undefined : await tree.stat(image);
  if (image === undefined || entry === undefined) return `its image is not in ${path}: restore it from a backup`;
  if (entry.type !== 'file') return `its image ${image} is not a file`;
  if (entry.size >= limitBytes || state !== 'ready') return undefined;
  return `its image ${image} has ${formatBytes(entry.size)} of ${formatBytes(limitBytes)}: something cut it off`;
}
