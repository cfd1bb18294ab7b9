import { failedPrecondition, isErrno } from '../../base/errors.js';
import { formatBytes } from '../../base/units.js';
import type { OwnerAndMode } from '../../linux/operations/attributes.js';
import { imageEpochIn } from '../leases/image-lease.js';
import { formatHandle } from '../records/handle.js';
import { imagePath } from '../records/layout.js';
import type { VolumeRecord } from '../records/record.js';
import { change, type Session } from './session.js';

/** Of the directory that holds an image: nobody but root finds it, also where a pathPattern puts it among others. */
export const IMAGE_DIRECTORY: OwnerAndMode = { uid: 0, gid: 0, mode: 0o700 };

/** Makes the first image of a volume, as large as its limit and without a block of its own; OK when it is there. */
export async function makeImage(session: Session, record: VolumeRecord): Promise<void> {
  await sized(record, () =>
    change(session, () => session.tree.makeImage(imagePath(record.path, 1), record.limitBytes)),
  );
}

/**
 * Makes the image of a volume as large as its limit; a larger one stays. It may be in use: whoever uses it looks at the
 * new size when it is told to.
 * @throws KayalError FAILED_PRECONDITION when there is no image, or the pool's filesystem cannot hold one of this size
 */
export async function growImage(session: Session, record: VolumeRecord): Promise<void> {
  const epoch = await imageEpochIn(session.tree, record.path);
  if (epoch === undefined) {
    throw failedPrecondition(`volume ${formatHandle(record)} has no image in ${record.path}; see "kayal doctor"`);
  }
  await sized(record, () =>
    change(session, () => session.tree.growImage(imagePath(record.path, epoch), record.limitBytes)),
  );
}

async function sized(record: VolumeRecord, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isErrno(error, 'EFBIG')) throw error;
    throw failedPrecondition(
      `volume ${formatHandle(record)}: a file of ${formatBytes(record.limitBytes)} is more than the filesystem of pool ${record.pool} can hold (EFBIG)`,
      { cause: error },
    );
  }
}
