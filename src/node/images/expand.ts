import { failedPrecondition } from '../../base/errors.js';
import type { IoWorkers } from '../../linux/io-workers.js';
import { readMountinfo } from '../../linux/mountinfo.js';
import { refreshSize, type ImageVolume } from './attach.js';
import { imageDevicesOf } from './devices.js';
import { growMounted, NOT_GROWN } from './grow.js';

/**
 * Lets a staged volume have the size that its record says, in use.
 * @returns the size in bytes
 * @throws KayalError FAILED_PRECONDITION when it is not staged here
 */
export async function expandImage(io: IoWorkers, volume: ImageVolume): Promise<bigint> {
  const { attachment, record, handle } = volume;
  const devices = await imageDevicesOf(io, attachment, record.path);
  const device = devices.find(({ state }) => state === 'live');
  if (device === undefined) {
    throw failedPrecondition(
      devices.length === 0
        ? `volume ${handle} is not staged on this node; it gets its new size when it is`
        : `volume ${handle}: the GlusterFS client that it was attached through is gone; it gets its new size when it is staged again`,
    );
  }
  const bytes = await refreshSize({ io, volume }, device);
  if (record.fsType === undefined) return bytes;
  const mount = (await readMountinfo()).find(({ dev, options }) => dev === device.dev && !options.includes('ro'));
  // Mounted for readers alone it keeps its size until somebody may write.
  if (mount === undefined) return bytes;
  const mounted = { mountPoint: mount.target, device, fsType: record.fsType, bytes };
  if (await growMounted({ io, volume }, mounted)) return bytes;
  throw failedPrecondition(`volume ${handle}: ${NOT_GROWN}`);
}
