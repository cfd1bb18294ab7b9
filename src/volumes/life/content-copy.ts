/*
 * A copy is made inside the lease's directory, and gets its place by one rename when it is complete. So a former holder of
 * the lease that wakes up in the middle of a slice writes into what has become trash, and what is in a volume's or a
 * snapshot's place is always whole. A copy that was cut off is thrown away and begun again; one that has its place and no
 * record that says so is counted and kept.
 *
 * The lease's directory itself is where it comes from: a brick that does not take part in the rename (away, or refusing it) is
 * healed by what the other bricks have noted of both directories, so both have to stay.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { KayalError, aborted, exhausted, failedPrecondition, isErrno, messageOf } from '../../base/errors.js';
import { formatBytes } from '../../base/units.js';
import type { Entry } from '../../linux/tree.js';
import { copyTree, isHopeless, type CopyProgress } from '../../linux/copy-tree.js';
import { assertWhole } from '../../pools/whole-pool.js';
import type { JobControl } from '../pool/content-jobs.js';
import type { ContentSource } from '../pool/content-source.js';
import { TRASH_DIRECTORY } from '../records/layout.js';
import { currentState } from '../../hybrid/states.js';
import { isImage } from '../requests/volume-shape.js';
import { change, move, undoHalfRename, type Session } from '../pool/session.js';
import { syncFirst } from './sync-first.js';

/** `~` is in no id, so that this is nobody's deletion. */
const PREFIX = 'copy~';
const POLL_MS = 100;
/** How often the progress is written to the record, in ms. */
const RECORD_EVERY = 5_000;
const COUNT_SLICE = { entries: 2_000 };

/** What a copy is made for. */
export interface CopyOwner {
  readonly kind: 'volume' | 'snapshot';
  readonly id: string;
}

/** Of the directory of a copy in the lease's directory, or in the trash; undefined: it is something else. */
export function copyOwner(name: string): CopyOwner | undefined {
  const [, kind, id] = /^copy~(volume|snapshot)~([^~]+)~[^~]+$/.exec(name) ?? [];
  return (kind === 'volume' || kind === 'snapshot') && id !== undefined ? { kind, id } : undefined;
}

const prefixOf = ({ kind, id }: CopyOwner): string => `${PREFIX}${kind}~${id}~`;
const newName = (owner: CopyOwner): string => prefixOf(owner) + randomBytes(4).toString('hex');

export interface CopyWish extends CopyOwner {
  readonly source: ContentSource;
  /** Bytes that the copy may write; the source may grow meanwhile. */
  readonly budgetBytes: bigint;
  /** Makes the empty directory ready, for example sets its limit. */
  readonly prepare?: ((path: string) => Promise<void>) | undefined;
  /** Writes to the record how far the copy is. */
  readonly record: (progress: CopyProgress) => Promise<void>;
}

export interface StagedCopy {
  /** Relative to the root of the pool. */
  readonly path: string;
  readonly progress: CopyProgress;
}

/** Remains of an earlier attempt count against the same limit: they go first. */
async function remainsPurged(session: Session, prefix: string, control: JobControl): Promise<void> {
  while (session.catalog.trash().some(({ name }) => name.startsWith(prefix))) {
    session.purgeSoon();
    await pause(control);
  }
}

/** @throws KayalError ABORTED when the job is to end */
async function pause(control: JobControl): Promise<void> {
  await sleep(POLL_MS, undefined, { signal: control.signal }).catch(() => undefined);
  assertWanted(control);
}

function assertWanted(control: JobControl): void {
  if (control.signal.aborted) throw aborted('the copy is not wanted any more');
}

/** Runs `work` with the lock of an id, which a call may hold for a moment. */
export async function withLock<T>(
  session: Session,
  key: string,
  control: JobControl,
  work: () => Promise<T>,
): Promise<T> {
  for (;;) {
    const release = session.locks.tryAcquire(key);
    if (release !== undefined) {
      try {
        assertWanted(control);
        return await work();
      } finally {
        release();
      }
    }
    await pause(control);
  }
}

/**
 * Copies the source into a new directory.
 * @throws KayalError NOT_FOUND when the source is gone, at the end too; RESOURCE_EXHAUSTED, FAILED_PRECONDITION for what a
 *   repetition does not mend; anything else may pass by itself
 */
export async function copyToStaging(session: Session, wish: CopyWish, control: JobControl): Promise<StagedCopy> {
  await remainsPurged(session, prefixOf(wish), control);
  const source = await session.openSource(wish.source);
  const { config, background } = source.session;
  if (source.shape.type === 'hybrid' && wish.source.kind === 'volume') {
    await syncFirst(source, wish.source.handle, () => assertWanted(control));
  }
  await assertWhole(config, background);
  const name = newName(wish);
  const path = `${session.lease.directory}/${name}`;
  await change(session, () => session.tree.mkdir(path, 0o700));
  try {
    await wish.prepare?.(path);
    let recordedAt = performance.now();
    let recording: Promise<void> = Promise.resolve();
    const started = performance.now();
    const progress = await copyTree({
      source: { tree: source.session.background, path: source.path },
      target: { tree: session.background, path },
      bricks: source.session === session ? await session.bricks?.get() : undefined,
      check: (now) => {
        assertWanted(control);
        session.lease.assertHeld();
        const { written, cloned, entries } = now;
        control.report(`${entries} entries, ${formatBytes(written + cloned)} so far`);
        if (written > wish.budgetBytes) {
          throw aborted(`${wish.source.kind} ${wish.source.handle} grows faster than it can be copied`);
        }
        if (performance.now() - recordedAt < RECORD_EVERY) return;
        recordedAt = performance.now();
        recording = recording.then(() => wish.record(now));
      },
    });
    await recording;
    await assertWhole(config, background);
    if (isImage(source.shape) && progress.changed > 0) throw tornImage(wish);
    // Its states come and go while they are copied; the copy is of no use unless one of them is whole.
    if (source.shape.type === 'hybrid') await currentState(session.background, path);
    const still = await session.openSource(wish.source);
    if (still.path !== source.path) throw aborted(`${wish.source.kind} ${wish.source.handle} was moved meanwhile`);
    logResult(session, wish, progress, performance.now() - started);
    return { path, progress };
  } catch (error) {
    await abandon(session, () => trashCopy(session, name));
    throw explain(error, wish);
  }
}

/** Of a directory each file may be of another moment; an image of several moments is a filesystem that never was. */
function tornImage({ kind, source }: CopyWish): KayalError {
  return failedPrecondition(
    `${source.kind} ${source.handle} cannot be copied into a ${kind}: its image is written to all the while, and a copy of several ` +
      'moments would be of no use. Stop the pod, or freeze its filesystem (fsfreeze), and ask again; on a directory pool over XFS or btrfs an image can be copied in use',
  );
}

function logResult(session: Session, wish: CopyWish, progress: CopyProgress, ms: number): void {
  const { entries, written, cloned, changed, lost, unshared } = progress;
  const subject = { [wish.kind]: wish.id, from: wish.source.handle };
  const fields = { ...subject, entries, ms: Math.round(ms), changed, lost, unshared };
  const level = changed > 0 || lost > 0 ? 'warn' : 'info';
  session.log[level]({ ...fields, written: String(written), cloned: String(cloned) }, 'copied');
}

/** What a user has to hear of a copy that failed for good. */
function explain(error: unknown, { kind, id, source }: CopyWish): unknown {
  const what = `${source.kind} ${source.handle} cannot be copied into ${kind} ${id}`;
  if (isErrno(error, 'ENOSPC', 'EDQUOT')) return exhausted(`${what}: no space left (${messageOf(error)})`);
  if (isHopeless(error)) return failedPrecondition(`${what}: ${error.message}`, { cause: error });
  return error;
}

/** True for a failure that the next attempt would meet again: what was begun is then undone. */
export function isFinal(error: unknown): boolean {
  const codes: readonly string[] = ['NOT_FOUND', 'RESOURCE_EXHAUSTED', 'FAILED_PRECONDITION', 'ALREADY_EXISTS'];
  return error instanceof KayalError && codes.includes(error.code);
}

/** Throws an attempt away. What this does not manage, the next attempt does. */
async function abandon(session: Session, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    session.log.warn({ error: messageOf(error) }, 'the remains of a copy are not in the trash yet');
  }
}

/**
 * Throws away what earlier attempts left in the lease's directory. When GlusterFS renames a copy on some bricks and not on the
 * others, it is at both places: then none of them is whole, and nothing is to be taken for the copy.
 * @param path where the copy gets its place
 * @returns what is there: a complete copy, or nothing
 */
export async function clearAttempts(session: Session, owner: CopyOwner, path: string): Promise<Entry | undefined> {
  const { tree, lease } = session;
  const names = await attemptsOf(session, owner);
  let placed = await statAmong(session, owner, path, names);
  for (const name of names) {
    const staged = await tree.stat(`${lease.directory}/${name}`);
    if (staged !== undefined && placed?.ino === staged.ino) {
      session.log.warn({ [owner.kind]: owner.id }, 'a copy has got its place on some bricks only: it is made again');
      const other = newName(owner);
      await move(session, path, `${lease.directory}/${other}`);
      await trashCopy(session, other);
      placed = undefined;
    }
    await trashCopy(session, name);
  }
  return placed;
}

/**
 * What is at the place of a copy. GlusterFS cannot tell (ENOTCONN) when one brick has it there and the others where it was made;
 * and the list of attempts may be of just that brick, so that all are asked, and `names` gets what they know.
 */
async function statAmong(
  session: Session,
  owner: CopyOwner,
  path: string,
  names: Set<string>,
): Promise<Entry | undefined> {
  const { tree, lease, halfRenames } = session;
  const prefix = prefixOf(owner);
  try {
    return await tree.stat(path);
  } catch (error) {
    if (!isErrno(error, 'ENOTCONN', 'EIO') || halfRenames === undefined) throw error;
    for (const name of await halfRenames.namesIn(lease.directory)) if (name.startsWith(prefix)) names.add(name);
    for (const name of names) await undoHalfRename(session, `${lease.directory}/${name}`, path);
    return tree.stat(path);
  }
}

/** What is at the place of a copy, as `clearAttempts` would find it. */
export async function statPlace(session: Session, owner: CopyOwner, path: string): Promise<Entry | undefined> {
  return statAmong(session, owner, path, await attemptsOf(session, owner));
}

/** Names in the lease's directory. */
async function attemptsOf({ tree, lease }: Session, owner: CopyOwner): Promise<Set<string>> {
  const listed = (await tree.list(lease.directory)) ?? [];
  const prefix = prefixOf(owner);
  return new Set(listed.map(({ name }) => name).filter((name) => name.startsWith(prefix)));
}

/** Moves a copy that nobody needs from the lease's directory to the trash; its record goes on promising its space. */
export async function trashCopy(session: Session, name: string): Promise<void> {
  if (!(await move(session, `${session.lease.directory}/${name}`, `${TRASH_DIRECTORY}/${name}`))) return;
  session.catalog.putTrash({ name, limitBytes: 0n });
  session.purgeSoon();
}

/** Gives a complete copy its place, and then `finish`es it. */
export async function placeCopy(
  session: Session,
  staged: StagedCopy,
  path: string,
  finish: () => Promise<void>,
): Promise<void> {
  if (!(await move(session, staged.path, path))) throw aborted(`the copy ${staged.path} is gone; retry`);
  await finish();
}

/** Runs what gives a copy its place; when that fails, `clear` leaves nothing of the copy. */
export async function orClear(
  session: Session,
  clear: () => Promise<unknown>,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    await abandon(session, clear);
    throw error;
  }
}

/**
 * What a copy is that was cut off between its rename and its record. Whether its blocks are shared nobody knows any more:
 * where they can be, all count as shared, so that the pool promises less than it could and never more.
 */
export async function countPlaced(session: Session, path: string, control: JobControl): Promise<CopyProgress> {
  let count = await session.background.countUsage(path, COUNT_SLICE);
  while (!count.done) {
    assertWanted(control);
    count = await session.background.countUsage(path, COUNT_SLICE, count);
  }
  const mayShare = session.bricks !== undefined || session.config.type === 'directory';
  const [written, cloned] = mayShare ? [0n, count.bytes] : [count.bytes, 0n];
  return { entries: Number(count.inodes), written, cloned, changed: 0, lost: 0 };
}
