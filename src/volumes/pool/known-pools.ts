import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { isErrno } from '../../base/errors.js';
import { machine } from '../../linux/machine.js';
import { formatRecordLine, parseRecord, type VolumeRecord } from '../records/record.js';

/** Records read or written between two turns of the event loop. */
const BATCH = 500;

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
    await machine.mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const temporary = `${this.#file(pool)}.tmp`;
    await machine.writeFile(temporary, `${id}\n`, { mode: 0o600, flush: true });
    await machine.rename(temporary, this.#file(pool));
  }

  /** Keeps what is known of the pool's volumes, one record a line, for the time when the pool cannot be read. */
  async rememberVolumes(pool: string, records: readonly VolumeRecord[]): Promise<void> {
    const temporary = `${this.#volumesFile(pool)}.tmp`;
    const file = await machine.open(temporary, 'w', 0o600);
    try {
      for (let i = 0; i < records.length; i += BATCH) {
        const lines = records.slice(i, i + BATCH).map(formatRecordLine);
        await machine.write(file, `${lines.join('\n')}\n`);
      }
    } finally {
      await file.close();
    }
    await machine.rename(temporary, this.#volumesFile(pool));
  }

  /** The pool's volumes as they were last known; they may have changed since. Lines that are no record are left out. */
  async volumesOf(pool: string): Promise<VolumeRecord[]> {
    let text: string;
    try {
      text = await readFile(this.#volumesFile(pool), 'utf8');
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return [];
      throw error;
    }
    const records: VolumeRecord[] = [];
    for (const [index, line] of text.split('\n').entries()) {
      if (index % BATCH === BATCH - 1) await nextTurn();
      try {
        const { id } = JSON.parse(line) as { readonly id: string };
        records.push(parseRecord(id, line));
      } catch {
        continue;
      }
    }
    return records;
  }

  /** Forgets the pool: what is there at the next start is taken for it. */
  async forget(pool: string): Promise<void> {
    await machine.rm(this.#file(pool), { force: true });
    await machine.rm(this.#volumesFile(pool), { force: true });
  }

  #volumesFile(pool: string): string {
    return join(this.#directory, `${pool}.volumes.jsonl`);
  }

  #file(pool: string): string {
    return join(this.#directory, pool);
  }
}
