import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { failedPrecondition, isErrno } from '../base/errors.js';
import { machine } from '../linux/machine.js';
import { startTimeOf } from '../linux/process-info.js';
import { PROGRAM_ENVIRONMENT } from './processes.js';

/**
 * Takes flock(2) on an open file through flock(1), whose child shares the open file description: the lock is ours until
 * we close the file or die, however that happens, so a dead holder's lock needs no taking over.
 */
async function tryLock(file: FileHandle): Promise<boolean> {
  const child = machine.spawn('flock', ['--exclusive', '--nonblock', '3'], {
    stdio: ['ignore', 'ignore', 'ignore', file.fd],
    env: PROGRAM_ENVIRONMENT,
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code === 0) return true;
  if (code === 1) return false;
  throw failedPrecondition(`flock(1) of util-linux failed with ${code}`);
}

/** False when the file was removed (by a holder that let go) between our opening and our locking it. */
async function isStill(file: FileHandle, path: string): Promise<boolean> {
  try {
    const [opened, named] = await Promise.all([file.stat(), stat(path)]);
    return opened.ino === named.ino && opened.dev === named.dev;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

/** The exclusive right to a directory, held by this process until `release` or its end. */
export class DirectoryLock {
  readonly #file: FileHandle;
  readonly #path: string;

  private constructor(file: FileHandle, path: string) {
    this.#file = file;
    this.#path = path;
  }

  /**
   * Takes the lock of a directory.
   * @throws KayalError FAILED_PRECONDITION when another process has it; the message names that process
   */
  static async acquire(directory: string): Promise<DirectoryLock> {
    const path = join(directory, 'lock');
    for (;;) {
      const file = await machine.open(path, 'a+', 0o600);
      try {
        if (!(await tryLock(file))) {
          const holder = (await file.readFile('utf8')).trim();
          throw failedPrecondition(
            `${directory} is in use by another driver (${holder}): stop that one, or give this one a state directory of its own`,
          );
        }
        if (await isStill(file, path)) {
          await machine.empty(file);
          await machine.write(
            file,
            `${JSON.stringify({ pid: process.pid, startTime: await startTimeOf(process.pid) })}\n`,
          );
          return new DirectoryLock(file, path);
        }
      } catch (error) {
        await file.close();
        throw error;
      }
      await file.close();
    }
  }

  /** Lets go, and removes the lock file. */
  async release(): Promise<void> {
    try {
      await machine.unlink(this.#path);
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    } finally {
      await this.#file.close();
    }
  }
}
