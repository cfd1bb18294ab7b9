import { mkdir, readdir, rmdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isProcessAlive, startTimeOf } from '../../src/linux/process-info.js';
import { findLeftovers, removeLeftovers } from './leftovers.js';
import { mustRun } from './run-command.js';

/** Present in a run's directory that is to stay although its program has ended. */
const KEEP_MARKER = 'keep';

/**
 * Everything a run makes lies in one directory, named for the process, so that a later run can tell a crashed one from
 * one that is still going. Not on a tmpfs: older kernels' lacks extended attributes that bricks need. The path is short,
 * as sockets below it have 107 bytes (unix(7)).
 */
export class RunDirectory {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async create(base: string): Promise<RunDirectory> {
    const path = join(base, `${process.pid}-${await startTimeOf(process.pid)}`);
    await mkdir(path, { recursive: true, mode: 0o700 });
    return new RunDirectory(path);
  }

  async markKept(): Promise<void> {
    await writeFile(join(this.path, KEEP_MARKER), '');
  }

  remove(): Promise<void> {
    return removeRun(this.path);
  }
}

/** Deletes a directory with all that is in it, but for what is mounted there. */
export async function removeDirectory(path: string): Promise<void> {
  await mustRun('rm', ['-rf', '--one-file-system', '--', path], { timeoutMs: 300_000 });
}

/** Ends, unmounts and deletes everything of one run. */
export async function removeRun(path: string): Promise<void> {
  await removeLeftovers(path);
  const { mounts } = await findLeftovers(path);
  if (mounts.length > 0) throw new Error(`${mounts.join(', ')} cannot be unmounted; nothing was deleted`);
  await removeDirectory(path);
  // The directory of all runs goes with the last one.
  await rmdir(dirname(path)).catch(() => undefined);
}

export interface EarlierRuns {
  /** Their program has ended without removing them. */
  readonly crashed: readonly string[];
  /** Left on purpose. */
  readonly kept: readonly string[];
}

/** The runs below `base` whose program is no longer there. */
export async function findEarlierRuns(base: string): Promise<EarlierRuns> {
  const crashed: string[] = [];
  const kept: string[] = [];
  for (const name of await readdir(base).catch((): string[] => [])) {
    const [pid, startTime] = name.split('-');
    if (startTime === undefined || (await isProcessAlive(Number(pid), startTime))) continue;
    const path = join(base, name);
    const files = await readdir(path);
    (files.includes(KEEP_MARKER) ? kept : crashed).push(path);
  }
  return { crashed, kept };
}
