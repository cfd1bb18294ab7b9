import { messageOf } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { Tree } from '../linux/tree.js';
import { noteUse } from '../volumes/life/last-use.js';

/** A volume in use is noted again after this time, in ms. */
const NOTE_EVERY_MS = 6 * 60 * 60 * 1000;
/** More than a node ever has; then it starts anew. */
const MAX_REMEMBERED = 10_000;

/** Tells the pools now and then which of their volumes are in use on this node; nobody waits for it. */
export class UseNotes {
  readonly #node: string;
  readonly #log: Logger;
  readonly #notedAt = new Map<string, number>();
  readonly #last = new WeakMap<Tree, Promise<void>>();

  constructor(options: { readonly node: string; readonly log: Logger }) {
    this.#node = options.node;
    this.#log = options.log;
  }

  /** @param handle of a volume with a record, whose id is `id` */
  note(tree: Tree, handle: string, id: string): void {
    const now = performance.now();
    const noted = this.#notedAt.get(handle);
    if (noted !== undefined && now - noted < NOTE_EVERY_MS) return;
    if (this.#notedAt.size >= MAX_REMEMBERED) this.#notedAt.clear();
    this.#notedAt.set(handle, now);
    const before = this.#last.get(tree) ?? Promise.resolve();
    const written = before
      .then(() => noteUse(tree, id, this.#node))
      .catch((error: unknown) => {
        this.#notedAt.delete(handle);
        this.#log.debug({ volume: handle, error: messageOf(error) }, 'use not noted');
      });
    this.#last.set(tree, written);
  }
}
