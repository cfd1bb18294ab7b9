import { chmod, readFile } from 'node:fs/promises';
import { mustRun } from '../lib/run-command.js';
import { mountLoop } from '../lib/loop-directory.js';

/** What a run of all parts takes at its fullest, several times over; the filesystem is sparse. */
const SIZE_MIB = 8 * 1024;
/** Besides the filesystem there are the tests, their bricks and a user-mode-linux. */
const NEEDED_MIB = SIZE_MIB + 6 * 1024;

export interface MemoryDiskOptions {
  /** Of the filesystem; it is sparse. */
  readonly sizeMiB?: number;
  /** Memory that has to be free for it to be made. */
  readonly neededMiB?: number;
}

async function availableMiB(): Promise<number> {
  const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(await readFile('/proc/meminfo', 'utf8'))?.[1];
  return Number(kib ?? 0) / 1024;
}

/**
 * Mounts an ext4 in memory over a directory, when there is memory enough. On a disk, fsync(2) waits for whatever else
 * lies unwritten on it (ext4's data=ordered): some GiB that a test or another program wrote keep it waiting for longer than any
 * deadline. Not a plain tmpfs: bricks are to lie on what they lie on elsewhere.
 * @returns what the directory lies on now
 */
export async function mountMemoryDisk(directory: string, options: MemoryDiskOptions = {}): Promise<string> {
  const { sizeMiB = SIZE_MIB, neededMiB = NEEDED_MIB } = options;
  const available = await availableMiB();
  if (available < neededMiB) return `the disk (${Math.floor(available)} MiB of memory are free, not ${neededMiB})`;
  await mustRun('mount', ['-t', 'tmpfs', '-o', `mode=0700,size=${sizeMiB + 64}m`, 'kayal-test', directory]);
  const image = `${directory}/image`;
  await mustRun('truncate', ['-s', `${sizeMiB}M`, image]);
  await mustRun('mkfs.ext4', ['-q', '-F', '-m', '0', '-E', 'lazy_itable_init=0', image]);
  await mountLoop(image, directory, 'discard');
  await chmod(directory, 0o700);
  return 'an ext4 in memory';
}
