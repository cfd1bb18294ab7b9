import { join } from 'node:path';
import { failedPrecondition } from '../../base/errors.js';
import { contentOf, SIGNATURE_BYTES } from '../../linux/filesystem-signature.js';
import { makeFilesystem } from '../../linux/make-filesystem.js';
import type { Tree } from '../../linux/tree.js';
import { formatHandle } from '../../volumes/records/handle.js';
import type { FsType, VolumeRecord } from '../../volumes/records/record.js';

/**
 * Makes sure that an image, to which nothing is attached, holds the volume's filesystem. One is made only in an image to
 * which nothing was ever written: in a file beside it, which takes the image's place when it is complete. So there is no
 * moment at which half a filesystem is in the image, and what is in it says by itself whether it was formatted.
 *
 * The caller holds the image's lease.
 * @param path of the image, relative to the root of the pool
 * @throws KayalError FAILED_PRECONDITION when something else is in it, which stays as it is
 */
export async function ensureFilesystem(tree: Tree, record: VolumeRecord, path: string, fsType: FsType): Promise<void> {
  const content = contentOf(await tree.call('readImageStart', [path, SIGNATURE_BYTES]));
  const unfinished = `${path}.new`;
  if (content === fsType) {
    await tree.unlink(unfinished);
    return;
  }
  if (content !== 'zero' || !(await tree.call('isBlankImage', [path]))) {
    throw failedPrecondition(
      `volume ${formatHandle(record)} should hold ${fsType}, and its image ${path} holds ${describe(content)}: it is neither ` +
        'formatted nor mounted. Look at the image; if nothing in it is needed, delete the volume',
    );
  }
  const size = await tree.call('imageSize', [path]);
  await tree.unlink(unfinished);
  await tree.makeImage(unfinished, size ?? record.limitBytes);
  await makeFilesystem(join(tree.root, unfinished), fsType);
  await tree.call('syncImage', [unfinished]);
  await tree.rename(unfinished, path);
}

function describe(content: ReturnType<typeof contentOf>): string {
  return content === 'ext4' || content === 'xfs' ? content : 'something else';
}
