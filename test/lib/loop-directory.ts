import { mkdir } from 'node:fs/promises';
import { mustRun, runCommand } from './run-command.js';
import { sleep } from './wait.js';

/** A directory on a filesystem of its own, in an image file. */
export interface LoopDirectory {
  readonly path: string;
  /** Unmounts; the loop device goes with the mount. */
  remove(): Promise<void>;
}

/**
 * @param base an existing directory; image and mount point lie in it. XFS needs 300 MiB at least.
 * @param mkfsOptions more arguments for mkfs
 */
export async function loopDirectory(
  base: string,
  name: string,
  sizeMiB: number,
  fsType: 'ext4' | 'xfs' = 'ext4',
  mkfsOptions: readonly string[] = [],
): Promise<LoopDirectory> {
  const image = `${base}/${name}.img`;
  const path = `${base}/${name}`;
  await mkdir(path);
  await mustRun('truncate', ['-s', `${sizeMiB}M`, image]);
  if (fsType === 'xfs') await mustRun('mkfs.xfs', ['-q', '-f', ...mkfsOptions, image]);
  else await mustRun('mkfs.ext4', ['-q', '-F', '-m', '0', ...mkfsOptions, image]);
  await mountLoop(image, path);
  return {
    path,
    remove: async () => {
      await mustRun('umount', ['-l', path]);
    },
  };
}

/**
 * mount(8) finds a free loop device first, which another program may take or still be letting go of: then again.
 * @param options besides `loop,rw`
 */
export async function mountLoop(image: string, path: string, ...options: readonly string[]): Promise<void> {
  for (let left = 5; ; left--) {
    // With `rw` it does not fall back to a read-only mount by itself.
    const { code, stderr } = await runCommand('mount', ['-o', ['loop', 'rw', ...options].join(','), image, path]);
    if (code === 0) return;
    if (left === 0) throw new Error(`${image} cannot be mounted: ${stderr.trim()}`);
    await sleep(300);
  }
}
