import * as v from 'valibot';
import { isErrno, messageOf } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { machine } from '../../linux/machine.js';
import type { IoWorkers } from '../../linux/io-workers.js';
import { Tree } from '../../linux/tree.js';

const schema = v.object({
  id: v.string(),
  pool: v.string(),
  /** Where a pod finds it; as mountinfo shows it. '' when nobody knows any more. */
  target: v.string(),
  /** Nobody uses it any more; the controller has yet to remove it. */
  released: v.boolean(),
});

/** An inline volume that this node has asked for. */
export type InlineEntry = v.InferOutput<typeof schema>;

/** Key of the io workers: the node's own disk, and no pool. */
const LOCAL = 'inline volumes';
const MAX_ENTRY_BYTES = 16 * 1024;

export interface InlineStoreOptions {
  readonly io: IoWorkers;
  readonly log: Logger;
  /** On the node's own disk, kept over restarts; made when there is something to keep. */
  readonly directory: string;
}

/**
 * Which inline volumes the node has asked for, on its own disk: NodeUnpublishVolume does not say in which pool the volume
 * is, and has to be answered while that pool is down. Written before anything is asked of the controller, and until it has
 * done what was asked, so that nothing is forgotten by a kill -9.
 */
export class InlineStore {
  readonly #options: InlineStoreOptions;
  #tree: Promise<Tree | undefined> | undefined;
  #entries: Promise<Map<string, InlineEntry>> | undefined;

  constructor(options: InlineStoreOptions) {
    this.#options = options;
  }

  async get(id: string): Promise<InlineEntry | undefined> {
    return (await this.#load()).get(id);
  }

  async all(): Promise<InlineEntry[]> {
    return [...(await this.#load()).values()];
  }

  /** Lasts once this returns. */
  async put(entry: InlineEntry): Promise<void> {
    const entries = await this.#load();
    const before = entries.get(entry.id);
    if (before?.pool === entry.pool && before.target === entry.target && before.released === entry.released) return;
    const tree = await this.#open(true);
    const data = Buffer.from(`${JSON.stringify(entry)}\n`);
    await tree?.replaceFile(`.${entry.id}`, `${entry.id}.json`, data);
    entries.set(entry.id, entry);
  }

  async remove(id: string): Promise<void> {
    const entries = await this.#load();
    await (await this.#open(false))?.unlink(`${id}.json`);
    entries.delete(id);
  }

  async close(): Promise<void> {
    const tree = await this.#tree?.catch(() => undefined);
    this.#tree = undefined;
    await tree?.close();
  }

  #load(): Promise<Map<string, InlineEntry>> {
    this.#entries ??= this.#read().catch((error: unknown) => {
      this.#entries = undefined;
      throw error;
    });
    return this.#entries;
  }

  async #read(): Promise<Map<string, InlineEntry>> {
    const tree = await this.#open(false);
    const entries = new Map<string, InlineEntry>();
    if (tree === undefined) return entries;
    for (const { name, data } of await tree.readFiles('', MAX_ENTRY_BYTES)) {
      if (!name.endsWith('.json')) continue;
      try {
        if (typeof data === 'string') throw new Error(`it cannot be read (${data})`);
        const entry = v.parse(schema, JSON.parse(data.toString('utf8')));
        entries.set(entry.id, entry);
      } catch (error) {
        // The controller's records tell the same (inventory.ts).
        this.#options.log.warn({ file: name, error: messageOf(error) }, 'what is known of an inline volume is damaged');
      }
    }
    return entries;
  }

  async #open(make: boolean): Promise<Tree | undefined> {
    const { io, directory } = this.#options;
    if (make && (await this.#tree) === undefined) this.#tree = undefined;
    this.#tree ??= (async () => {
      if (make) await machine.mkdir(directory, { recursive: true, mode: 0o700 });
      try {
        return await Tree.open(io, LOCAL, directory);
      } catch (error) {
        this.#tree = undefined;
        if (!make && isErrno(error, 'ENOENT')) return undefined;
        throw error;
      }
    })();
    return this.#tree;
  }
}
