import { randomUUID } from 'node:crypto';
import type { FileRange } from '../linux/extents.js';
import type { Tree } from '../linux/tree.js';
import { batchesOf, intoFile } from './batches.js';
import { writeCopyRecord, type CopyRecord, type SyncedState } from './copy-record.js';
import { dataBytesOf, encodeStart, type StateHeader } from './format.js';
import { IMAGE, isSyncedName, NEXT, syncedName } from './places.js';
import { listStates, removeOtherStates, stateFile, stateTemporary } from './states.js';

export interface SyncOptions {
  readonly local: Tree;
  readonly place: string;
  readonly pool: Tree;
  /** The volume's directory in the pool. */
  readonly directory: string;
  readonly copy: CopyRecord;
  /** Where the filesystem is mounted; undefined: nowhere, and nobody writes to it. */
  readonly mountPoint: string | undefined;
  /** Whether this node may still write the volume. @throws what ends the sync; what it wrote counts for nobody then */
  readonly assertTurn: () => Promise<void>;
}

export interface SyncResult {
  readonly copy: CopyRecord;
  /** Written to the pool. */
  readonly bytes: number;
  /** It holds everything, and not only what changed. */
  readonly isWhole: boolean;
  /** How long writers had to wait, in ms. */
  readonly frozenMs: number;
}

const DEADLINE = { deadlineMs: 120_000 };
/** So many states in a row; then one that builds upon nothing. */
const MAX_STEPS = 32;
/** A state that holds everything is made again when its successors have grown to its size, and at least this. */
const LEAST_SUCCESSORS = 64 * 1024 * 1024;

/** True when the next state should hold everything: a short way to it, and room for a whole second one (hybrid limits). */
export function shouldBeWhole(
  steps: readonly { readonly bytes: number }[],
  wholeBytes: number,
  changedBytes: number,
  limitBytes: number,
): boolean {
  if (steps.length === 0 || steps.length >= MAX_STEPS) return true;
  const together = steps.reduce((sum, { bytes }) => sum + bytes, changedBytes);
  const successors = together - (steps[0]?.bytes ?? 0);
  return together > 2 * limitBytes || successors > Math.max(wholeBytes, LEAST_SUCCESSORS);
}

/** The superblock of ext4 lies in it; freezing and thawing write to it, whatever else happens. */
const FIRST_BLOCK = 4096;

/** What a filesystem is besides its superblock: whatever its users do changes more than that. */
function isContent(ranges: readonly FileRange[]): boolean {
  return ranges.some(({ offset, length }) => offset + length > FIRST_BLOCK);
}

/**
 * True unless nothing that a user could see has changed since the last sync. It stops no writer: what is still in the page
 * cache was written down before by whoever asks.
 */
export async function hasChanges({
  local,
  place,
  copy,
}: Pick<SyncOptions, 'local' | 'place' | 'copy'>): Promise<boolean> {
  if (copy.state === undefined) return true;
  const next = `${place}/${NEXT}`;
  await local.call('snapshotImage', [`${place}/${IMAGE}`, next, undefined], DEADLINE);
  const changed = await changesSince(local, place, copy.state, next);
  await local.unlink(next);
  return changed === undefined || isContent(changed);
}

async function changesSince(
  local: Tree,
  place: string,
  state: SyncedState,
  next: string,
): Promise<FileRange[] | undefined> {
  const synced = `${place}/${syncedName(state.id)}`;
  if ((await local.stat(synced)) === undefined) return undefined;
  return local.call('imageChanges', [synced, next], DEADLINE);
}

/** What a sync that was cut off left takes space. */
async function removeOtherSnapshots(local: Tree, place: string, { state }: CopyRecord): Promise<void> {
  for (const { name } of (await local.list(place)) ?? []) {
    if (isSyncedName(name) && name !== syncedName(state?.id ?? '')) await local.unlink(`${place}/${name}`);
  }
}

/**
 * Writes what changed since the last sync into the pool, as a new state that takes the place of the former one at once. A kill
 * at any point leaves one of the two: what a state is told by is its file's name, and which state the copy has grown from, by
 * the copy's record.
 * @throws SystemError, KayalError, and what `assertTurn` throws; the former state counts then, or the new one
 */
export async function syncCopy(options: SyncOptions): Promise<SyncResult> {
  const { local, place, pool, directory, copy, mountPoint, assertTurn } = options;
  const next = `${place}/${NEXT}`;
  await assertTurn();
  await removeOtherSnapshots(local, place, copy);
  const frozenMs = await local.call('snapshotImage', [`${place}/${IMAGE}`, next, mountPoint], DEADLINE);
  const reaches = new Date().toISOString();
  const size = Number(await local.call('imageSize', [next]));
  const whole = await local.call('imageChanges', [undefined, next], DEADLINE);
  const before = copy.state;
  // Not even a filesystem.
  if (before === undefined && whole.length === 0) return { copy, bytes: 0, isWhole: false, frozenMs };
  const changed = before && (await changesSince(local, place, before, next));
  const isWhole =
    before === undefined ||
    changed === undefined ||
    shouldBeWhole(before.steps, dataBytesOf(whole), dataBytesOf(changed), Number(copy.limitBytes));
  // Numbers are never used again, also not that of a state which nobody was told of: somebody may be reading it.
  const states = await listStates(pool, directory);
  const name = { turn: copy.turn, n: Math.max(before?.n ?? 0, ...states.map(({ n }) => n)) + 1 };
  const id = randomUUID();
  const header: StateHeader = {
    format: 1,
    volume: copy.handle,
    id,
    n: name.n,
    size,
    reaches,
    before: isWhole ? [] : before.steps,
  };
  await local.rename(next, `${place}/${syncedName(id)}`);
  const ranges = isWhole ? whole : changed;
  const bytes = await writeState(options, { name, header, ranges, from: `${place}/${syncedName(id)}` });
  // Not before it is known that nobody else began a turn: until then the former state may be what they build upon.
  await assertTurn();
  const steps = [...header.before, { n: name.n, bytes }];
  const after: CopyRecord = { ...copy, state: { id, n: name.n, reaches, steps } };
  await writeCopyRecord(local, place, after);
  await removeOtherSnapshots(local, place, after);
  const keep = steps.map(({ n }) => ({ turn: copy.turn, n }));
  if (states.length >= keep.length) await removeOtherStates(pool, directory, copy.turn, keep);
  return { copy: after, bytes, isWhole, frozenMs };
}

interface NewState {
  readonly name: { readonly turn: number; readonly n: number };
  readonly header: StateHeader;
  readonly ranges: readonly FileRange[];
  readonly from: string;
}

/** @returns the size of its file */
async function writeState(
  { local, pool, directory }: SyncOptions,
  { name, header, ranges, from }: NewState,
): Promise<number> {
  const start = encodeStart(header, ranges);
  const temporary = stateTemporary(directory, name);
  await pool.call('startFile', [temporary, new Uint8Array(start)], DEADLINE);
  const files = { source: from, target: temporary };
  for (const batch of batchesOf(ranges, start.length)) {
    await pool.callWith(local, 'copyRanges', [files, intoFile(batch)], DEADLINE);
  }
  await pool.call('publishFile', [temporary, stateFile(directory, name)], DEADLINE);
  return start.length + dataBytesOf(ranges);
}
