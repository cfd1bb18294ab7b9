import type { IoWorkers } from '../../linux/io-workers.js';
import { backingOf } from '../../linux/loop-devices.js';
import { imageLoops } from './devices.js';

/** Key of the io workers for questions about the devices of all pools: one that hangs keeps no pool from its own calls. */
const ALL_POOLS = 'images';

/**
 * Which filesystems (by device number) images are attached from on this machine. A device whose client is gone counts for
 * none: nothing keeps that client. One whose filesystem does not answer may be any pool's.
 */
export async function imageFilesystems(io: IoWorkers): Promise<(dev: string) => boolean> {
  const used = new Set<string>();
  let unknown = false;
  for (const device of await imageLoops()) {
    const backing = await backingOf(io, ALL_POOLS, device);
    if (backing === 'silent') unknown = true;
    else if (backing !== undefined && backing !== 'dead') used.add(backing.dev);
  }
  return (dev) => unknown || used.has(dev);
}
