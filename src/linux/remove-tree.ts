import { Limiter } from '../base/limiter.js';
import { SystemError } from '../base/errors.js';
import type { IoOptions } from './io-workers.js';
import type { RemovedSlice } from './operations/remove.js';
import type { Budget } from './slices.js';

interface Removable {
  subdirectories(path: string, limit: number): Promise<string[]>;
  removeSome(path: string, budget: Budget, options?: IoOptions): Promise<RemovedSlice>;
}

/** Below the number of threads that one pool may have, so that others of its calls need not wait. */
const PARALLEL = 4;
/** Directories to share out; more of them share the work more evenly. */
const SHARES = 64;
const LEVELS = 3;
const SLICE: Budget = { entries: 4096 };
/** Slices in a row that remove nothing, before it is given up: somebody keeps adding entries, or hides them. */
const MAX_IDLE_SLICES = 5;

async function removeSlices(tree: Removable, path: string, options: IoOptions | undefined): Promise<void> {
  for (let idle = 0; idle < MAX_IDLE_SLICES;) {
    const { done, removed } = await tree.removeSome(path, SLICE, options);
    if (done) return;
    idle = removed === 0 ? idle + 1 : 0;
  }
  throw new SystemError('ENOTEMPTY', 'rmdir', path);
}

/** Directories below `path` that can be removed at the same time: enough of them if the tree has them near its top. */
async function shares(tree: Removable, path: string): Promise<string[]> {
  let level = [path];
  for (let depth = 0; depth < LEVELS && level.length < SHARES / 2; depth++) {
    const below = await Promise.all(
      level.map(async (parent) => {
        // A directory that cannot be read is not shared out; removing it says why.
        const names = await tree.subdirectories(parent, SHARES).catch(() => []);
        return names.map((name) => `${parent}/${name}`);
      }),
    );
    const next = below.flat();
    if (next.length === 0) break;
    level = next;
  }
  return level;
}

/** Removes `path` and what is in it, in parallel where it has sub-directories. See Tree.removeTree. */
export async function removeTree(tree: Removable, path: string, options?: IoOptions): Promise<void> {
  const limiter = new Limiter(PARALLEL);
  const directories = await shares(tree, path);
  // What fails here fails again below, where everything else has been removed.
  await Promise.allSettled(directories.map((directory) => limiter.run(() => removeSlices(tree, directory, options))));
  await removeSlices(tree, path, options);
}
