import { unavailable } from '../../base/errors.js';
import { IMAGE } from '../../hybrid/places.js';
import type { IoWorkers } from '../../linux/io-workers.js';
import { backingOf, loopDevices, type LoopDevice } from '../../linux/loop-devices.js';
import { readMountinfo } from '../../linux/mountinfo.js';
import type { Tree } from '../../linux/tree.js';
import { LOCAL } from './local-image.js';

interface CopyDirectory {
  readonly io: IoWorkers;
  /** The directory of all copies. */
  readonly local: Tree;
}

/**
 * The loop device on a copy's image; undefined: there is none. Its path says which it may be, as it may be another one in each
 * container; and its inode whether it is.
 * @throws KayalError UNAVAILABLE when the disk does not answer
 */
export async function copyDevice({ io, local }: CopyDirectory, place: string): Promise<LoopDevice | undefined> {
  const path = `${place}/${IMAGE}`;
  for (const device of await loopDevices()) {
    if (!device.file.endsWith(`/${path}`)) continue;
    const backing = await backingOf(io, LOCAL, device);
    if (backing === 'silent')
      throw unavailable(`${local.root}, where copies of hybrid volumes lie, does not answer; retry`);
    if (backing === undefined || backing === 'dead' || backing.dev !== local.dev) continue;
    if ((await local.stat(path))?.ino === backing.ino) return device;
  }
  return undefined;
}

/** Where a copy's filesystem is mounted on this node. */
export async function copyMounts(directory: CopyDirectory, place: string): Promise<string[]> {
  const device = await copyDevice(directory, place);
  if (device === undefined) return [];
  return (await readMountinfo())
    .filter(({ dev, root }) => dev === device.dev && root === '/')
    .map(({ target }) => target);
}
