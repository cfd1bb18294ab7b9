import { setTimeout as sleep } from 'node:timers/promises';
import { unavailable } from '../../base/errors.js';
import type { Tree } from '../../linux/tree.js';
import { readMountinfo } from '../../linux/mountinfo.js';
import { retryStale } from '../../pools/retry-stale.js';
import { inventoryPath, parseInventory } from '../../volumes/requests/inline-request.js';
import { writeRequest } from '../../volumes/requests/node-request.js';
import { mountsOfInline } from './mounted.js';
import type { InlineEntry, InlineStore } from './store.js';

const MAX_BYTES = 1024 * 1024;
const PATIENCE_MS = 10_000;
const LOOK_EVERY_MS = 500;

/**
 * The ids of this node's inline volumes that have a record, by the controller.
 * @throws KayalError UNAVAILABLE when the controller does not answer
 */
async function askInventory(tree: Tree, pool: string, node: string): Promise<string[]> {
  const path = inventoryPath(node);
  await writeRequest(tree, node, path, { node });
  try {
    for (const until = performance.now() + PATIENCE_MS; performance.now() < until;) {
      await sleep(LOOK_EVERY_MS, undefined, { ref: false });
      const data = await retryStale(() => tree.readFile(path, MAX_BYTES));
      const answer = data && parseInventory(data.toString('utf8'))?.answer;
      if (answer !== undefined) return answer.ids;
    }
    throw unavailable(`the controller of pool ${pool} did not answer within ${PATIENCE_MS / 1_000} s`);
  } finally {
    await tree.unlink(path);
  }
}

export interface InventoryOptions {
  readonly nodeId: string;
  readonly pool: string;
  readonly store: InlineStore;
  /** A volume that nobody here knows or mounts is given back after this time, in ms. */
  readonly lostAfter: number;
}

/**
 * Compares what the controller has on record for this node with what the node knows: a disk that was lost, or a wish that
 * arrived after it was taken back, leave volumes that only the records tell of.
 */
export class Inventory {
  readonly #options: InventoryOptions;
  /** Since when (performance.now()) a volume is known to be unknown. */
  #unknownSince: ReadonlyMap<string, number> = new Map();

  constructor(options: InventoryOptions) {
    this.#options = options;
  }

  /**
   * @returns what the node has to take over from the records: as in use where it is mounted, as released where it is not
   * @throws KayalError UNAVAILABLE when the controller does not answer
   */
  async compare(tree: Tree): Promise<{ readonly found: InlineEntry[]; readonly isSettled: boolean }> {
    const { nodeId, pool, store, lostAfter } = this.#options;
    const ids = await askInventory(tree, pool, nodeId);
    const mounts = await readMountinfo();
    const found: InlineEntry[] = [];
    const unknown = new Map<string, number>();
    for (const id of ids) {
      if ((await store.get(id)) !== undefined) continue;
      const [mount] = mountsOfInline(mounts, id);
      const since = this.#unknownSince.get(id) ?? performance.now();
      if (mount !== undefined) found.push({ id, pool, target: mount.target, released: false });
      else if (performance.now() - since >= lostAfter) found.push({ id, pool, target: '', released: true });
      else unknown.set(id, since);
    }
    this.#unknownSince = unknown;
    return { found, isSettled: unknown.size === 0 };
  }
}
