import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../base/errors.js';

/**
 * The ids of the pools that this controller has served, on its own disk: a pool that is suddenly a bare directory is
 * then a mount that is missing, not a new pool to be prepared.
 */
export class KnownPools {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** The pool's id as it was last seen; undefined when it never was. */
  async idOf(pool: string): Promise<string | undefined> {
    try {
      const id = (await readFile(this.#file(pool), 'utf8')).trim();
      return id === '' ? undefined : id;
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return undefined;
      throw error;
    }
  }

  async remember(pool: string, id: string): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const temporary = `${this.#file(pool)}.tmp`;
    await writeFile(temporary, `${id}\n`, { mode: 0o600, flush: true });
    await rename(temporary, this.#file(pool));
  }

  #file(pool: string): string {
    return join(this.#directory, pool);
  }
}
