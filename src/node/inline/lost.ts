import { access } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isErrno } from '../../base/errors.js';
import { readMountinfo } from '../../linux/mountinfo.js';
import { mountsOfInline } from './mounted.js';
import type { InlineEntry } from './store.js';

/**
 * Finds the volumes that pods of this node have lost without an unpublish: nothing mounts them, and kubelet has no directory
 * for them, which it makes before it publishes a volume and removes once it has unpublished it. A pod that waits for its
 * volume, or for a node that restarts, still has that directory.
 */
export class LostVolumes {
  readonly #afterMs: number;
  /** By performance.now(): one look may miss a mount while others come and go. */
  readonly #since = new Map<string, number>();

  constructor(afterMs: number) {
    this.#afterMs = afterMs;
  }

  /** @returns those that have been lost for long enough */
  async find(used: readonly InlineEntry[]): Promise<InlineEntry[]> {
    if (used.length === 0) return [];
    const mounts = await readMountinfo();
    const now = performance.now();
    const lost: InlineEntry[] = [];
    for (const entry of used) {
      const { id, target } = entry;
      if (mountsOfInline(mounts, id).length > 0 || (await exists(dirname(target)))) {
        this.#since.delete(id);
        continue;
      }
      const since = this.#since.get(id) ?? now;
      this.#since.set(id, since);
      if (now - since >= this.#afterMs) lost.push(entry);
    }
    return lost;
  }

  forget(id: string): void {
    this.#since.delete(id);
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    return !isErrno(error, 'ENOENT', 'ENOTDIR');
  }
}
