import { mkdir } from 'node:fs/promises';
import { mustRun } from './run-command.js';

/** A directory on a filesystem of its own, in an image file. */
export interface LoopDirectory {
  readonly path: string;
  /** Unmounts; the loop device goes with the mount. */
  remove(): Promise<void>;
}

/** @param base an existing directory; image and mount point lie in it. XFS needs 300 MiB at least. */
export async function loopDirectory(
  base: string,
  name: string,
  sizeMiB: number,
  fsType: 'ext4' | 'xfs' = 'ext4',
): Promise<LoopDirectory> {
  const image = `${base}/${name}.img`;
  const path = `${base}/${name}`;
  await mkdir(path);
  await mustRun('truncate', ['-s', `${sizeMiB}M`, image]);
  if (fsType === 'xfs') await mustRun('mkfs.xfs', ['-q', '-f', image]);
  else await mustRun('mkfs.ext4', ['-q', '-F', '-m', '0', image]);
  await mustRun('mount', ['-o', 'loop', image, path]);
  return {
    path,
    remove: async () => {
      await mustRun('umount', ['-l', path]);
    },
  };
}
