import { KayalError, messageOf } from '../../base/errors.js';
import { Limiter } from '../../base/limiter.js';
import type { Tree } from '../../linux/tree.js';
import type { TrashEntry } from '../records/catalog.js';
import { copyOwner } from '../life/content-copy.js';
import { TRASH_DATA, TRASH_DIRECTORY, TRASH_RECORD } from '../records/layout.js';
import { change, type Session } from '../pool/session.js';

/** Volumes purged at a time; each works in slices, so that calls on volumes get their turn. */
const PARALLEL = 2;
const RETRY_MS = 30_000;

/**
 * Empties a pool's trash in the background. Data first, then the limit (and with it the project id), then the record,
 * then the promise: cut off anywhere, the entry is found again and the rest is done.
 */
export class Purge {
  readonly #session: Session;
  /** The same pool under a key of its own, so that a purge never takes the threads that calls need. */
  readonly #tree: Tree;
  readonly #limiter = new Limiter(PARALLEL);
  readonly #busy = new Set<string>();
  #closed = false;
  #retry: NodeJS.Timeout | undefined;

  constructor(session: Session, tree: Tree) {
    this.#session = session;
    this.#tree = tree;
  }

  /** Starts on every entry that nobody is at work on. */
  wake(): void {
    if (this.#closed) return;
    for (const entry of this.#session.catalog.trash()) {
      if (this.#busy.has(entry.name)) continue;
      this.#busy.add(entry.name);
      void this.#limiter.run(() => this.#purge(entry)).finally(() => this.#busy.delete(entry.name));
    }
  }

  async #purge(entry: TrashEntry): Promise<void> {
    if (this.#closed) return;
    const { tree, log } = { tree: this.#tree, log: this.#session.log };
    const path = `${TRASH_DIRECTORY}/${entry.name}`;
    try {
      const started = performance.now();
      // A copy that nobody needs has neither record nor promise.
      if (copyOwner(entry.name) === undefined) await this.#purgeDeleted(path, entry);
      else await tree.removeTree(path);
      this.#session.capacity.observeVolume(entry.name, 0n);
      this.#session.catalog.removeTrash(entry.name);
      log.info({ entry: entry.name, ms: Math.round(performance.now() - started) }, 'purged');
    } catch (error) {
      if (this.#closed) return;
      const quiet = error instanceof KayalError && error.code === 'UNAVAILABLE';
      log[quiet ? 'info' : 'warn']({ entry: entry.name, error: messageOf(error) }, 'not purged yet');
      this.#retryLater();
    }
  }

  async #purgeDeleted(path: string, { projectId }: TrashEntry): Promise<void> {
    const data = `${path}/${TRASH_DATA}`;
    await this.#tree.removeTree(data);
    await this.#session.mechanism.clear({ path: data, projectId });
    await change(this.#session, async () => {
      await this.#tree.unlink(`${path}/${TRASH_RECORD}`);
      await this.#tree.rmdir(path);
    });
  }

  #retryLater(): void {
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      this.wake();
    }, RETRY_MS);
    this.#retry.unref();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
  }
}
