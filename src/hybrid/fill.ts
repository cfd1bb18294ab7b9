import type { Tree } from '../linux/tree.js';
import { batchesOf, holesOf, intoImage } from './batches.js';
import { dataBytesOf } from './format.js';
import { FILLING, IMAGE, isSyncedName, syncedName } from './places.js';
import { readState, stateFile, type CompleteState } from './states.js';
import { aborted } from '../base/errors.js';

export interface FillOptions {
  readonly local: Tree;
  /** The copy's directory, which is there, without an image in use. */
  readonly place: string;
  readonly pool: Tree;
  /** The volume's directory in the pool. */
  readonly directory: string;
  readonly state: CompleteState;
  /** Of the volume, in bytes: the image is at least as large. */
  readonly limitBytes: bigint;
  /** Asked before each piece; what it throws ends it. */
  readonly check: (doneBytes: number) => void;
}

const DEADLINE = { deadlineMs: 120_000 };

/**
 * Makes the image of a copy from a state in the pool. It gets its name when it is complete, and what a sync needs to tell
 * changes with it.
 * @throws KayalError ABORTED when the state was replaced by a newer one meanwhile; SystemError
 */
export async function fillCopy(options: FillOptions): Promise<void> {
  const { local, place, pool, directory, state, limitBytes, check } = options;
  const filling = `${place}/${FILLING}`;
  for (const { name } of (await local.list(place)) ?? []) {
    if (name === FILLING || name === IMAGE || isSyncedName(name)) await local.unlink(`${place}/${name}`);
  }
  const size = BigInt(state.header.size);
  await local.makeImage(filling, size > limitBytes ? size : limitBytes);
  let done = 0;
  for (const step of state.steps) {
    const start = await readState(pool, directory, step);
    if (start === undefined) throw replaced(directory);
    const files = { source: stateFile(directory, step), target: filling };
    for (const holes of holesOf(start.ranges)) {
      check(done);
      await local.call('punchRanges', [filling, holes], DEADLINE);
    }
    let reached = done;
    for (const batch of batchesOf(start.ranges, start.dataOffset)) {
      check(reached);
      await copyOr(replaced(directory), () =>
        pool.callWith(local, 'copyRangesTo', [files, intoImage(batch)], DEADLINE),
      );
      reached += batch.reduce((sum, { length }) => sum + length, 0);
    }
    done += dataBytesOf(start.ranges);
  }
  await local.call('syncImage', [filling], DEADLINE);
  await local.call('snapshotImage', [filling, `${place}/${syncedName(state.header.id)}`, undefined]);
  await local.rename(filling, `${place}/${IMAGE}`);
}

function replaced(directory: string): Error {
  return aborted(`the state of ${directory} was replaced by a newer one while it was read; retry`);
}

async function copyOr(gone: Error, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const isGone = error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESTALE');
    throw isGone ? gone : error;
  }
}
