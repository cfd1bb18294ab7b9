import { isErrno } from '../../base/errors.js';
import { loopPath, type LoopDevice } from '../../linux/loop-devices.js';
import type { FsType } from '../../volumes/records/record.js';
import type { AttachOptions } from './attach.js';

/** What to say when `growMounted` was not allowed to. */
export const NOT_GROWN =
  'its filesystem keeps its former size: growing it needs the capabilities CAP_SYS_ADMIN and CAP_SYS_RESOURCE, which the driver does not have here';

export interface MountedImage {
  readonly mountPoint: string;
  readonly device: LoopDevice;
  readonly fsType: FsType;
  /** The size of the device. */
  readonly bytes: bigint;
}

/** Lets a mounted filesystem have all of its device. @returns false when the driver lacks the capability for it */
export async function growMounted(
  { io, volume }: Pick<AttachOptions, 'io' | 'volume'>,
  { mountPoint, device, fsType, bytes }: MountedImage,
): Promise<boolean> {
  try {
    await io.run(volume.attachment.pool.name, 'growFilesystem', [mountPoint, loopPath(device), fsType, bytes]);
    return true;
  } catch (error) {
    if (isErrno(error, 'EPERM')) return false;
    throw error;
  }
}
