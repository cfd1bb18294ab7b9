import { notFound } from '../../base/errors.js';
import type { VolumeUsage } from '../../gen/csi/v1/VolumeUsage.js';
import type { IoWorkers } from '../../linux/io-workers.js';
import type { MountEntry } from '../../linux/mountinfo.js';
import { Tree } from '../../linux/tree.js';
import type { ImageVolume } from './attach.js';
import { imageDevicesOf, isMountOf } from './devices.js';

export interface MeasuredImage {
  readonly usage: readonly VolumeUsage[];
  /** Size and use of the filesystem in the image, in bytes; absent for a raw device, whose use only its user knows. */
  readonly fill?: { readonly total: bigint; readonly used: bigint } | undefined;
  readonly problem?: string | undefined;
}

const DEADLINE_MS = 5_000;

/**
 * What NodeGetVolumeStats says of an image volume.
 * @param mount what is mounted at the path that is asked about; undefined: the staging path of a block volume
 * @throws KayalError NOT_FOUND when the volume is not there
 */
export async function measureImage(
  io: IoWorkers,
  volume: ImageVolume,
  mount: MountEntry | undefined,
): Promise<MeasuredImage> {
  const { attachment, record, handle } = volume;
  const devices = await imageDevicesOf(io, attachment, record.path);
  const device = devices.find((candidate) => mount === undefined || isMountOf(mount, candidate));
  if (device === undefined) throw notFound(`volume ${handle} is not published at ${mount?.target ?? 'this path'}`);
  if (device.state !== 'live') {
    const why =
      device.state === 'dead'
        ? 'the GlusterFS client that it was attached through is gone'
        : 'it was taken away from this node';
    return {
      usage: [],
      problem: `${why}: its pods here get I/O errors and have to be deleted, then it is staged again`,
    };
  }
  if (record.type === 'block' || mount === undefined) {
    const total = await io.run(attachment.pool.name, 'loopSize', [device.number], { deadlineMs: DEADLINE_MS });
    return { usage: [{ unit: 'BYTES', total: String(total) }] };
  }
  const tree = await Tree.open(io, attachment.pool.name, mount.target, { deadlineMs: DEADLINE_MS });
  try {
    const { total, free, available, files, filesFree } = await tree.statfs('');
    const used = total - free;
    return {
      usage: [
        { unit: 'BYTES', total: String(total), used: String(used), available: String(available) },
        { unit: 'INODES', total: String(files), used: String(files - filesFree), available: String(filesFree) },
      ],
      fill: { total, used },
    };
  } finally {
    await tree.close();
  }
}
