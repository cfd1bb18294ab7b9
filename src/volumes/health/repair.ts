import { messageOf } from '../../base/errors.js';
import { limitProblem, setLimit } from '../pool/limits.js';
import { findMarkProblems } from '../pool/path-marks.js';
import { claimPath, releasePath, releaseUnused } from '../pool/paths.js';
import type { VolumeRecord } from '../records/record.js';
import { finishUnfinished, unfinished } from '../life/recover.js';
import type { Session } from '../pool/session.js';

/** Runs `work` for each volume that no call is at work on. @returns what `work` says */
async function eachVolume(
  session: Session,
  records: Iterable<VolumeRecord>,
  work: (record: VolumeRecord) => Promise<string | undefined>,
): Promise<string[]> {
  const done: string[] = [];
  for (const { id } of [...records]) {
    const release = session.locks.tryAcquire(id);
    if (release === undefined) continue;
    try {
      const record = session.catalog.get(id);
      const text = record && (await work(record));
      if (text !== undefined) done.push(`volume ${id}: ${text}`);
    } catch (error) {
      done.push(`volume ${id}: NOT repaired: ${messageOf(error)}`);
    } finally {
      release();
    }
  }
  return done;
}

async function finishAll(session: Session): Promise<string[]> {
  const before = unfinished(session.catalog.records(), Date.now());
  await finishUnfinished(session);
  return before
    .filter(({ id, state }) => session.catalog.get(id)?.state !== state)
    .map(({ id, state }) => `volume ${id}: was ${state}, which is finished`);
}

async function setLimits(session: Session): Promise<string[]> {
  const { mechanism, catalog } = session;
  return eachVolume(session, catalog.records(), async (record) => {
    const problem = await limitProblem(mechanism, record);
    if (problem === undefined) return undefined;
    // Without its data there is nothing to put a limit on; doctor tells of it.
    if ((await session.tree.stat(record.path)) === undefined) return undefined;
    await setLimit(session, record, record.path);
    return `${problem}: it is set again`;
  });
}

async function mendMirror(session: Session): Promise<string[]> {
  const { tree, catalog } = session;
  const { stale, unused, missing } = await findMarkProblems(tree, catalog);
  const done: string[] = [];
  for (const path of stale) {
    if (catalog.conflictingVolume(path) !== undefined) continue;
    await releasePath(session, { path });
    done.push(`path ${path}: no volume has it, its mark is removed`);
  }
  for (const path of unused) {
    if (catalog.conflictingVolume(path) !== undefined) continue;
    await releaseUnused(session, path);
    done.push(`path ${path}: nothing is in it, it is no longer kept in mind`);
  }
  // A volume that was made at such a path meanwhile may have lost its mark with the stale one.
  const again = stale.flatMap((path) => catalog.get(catalog.conflictingVolume(path) ?? '') ?? []);
  const marked = await eachVolume(session, [...missing, ...again], async (record) => {
    await claimPath(session, record);
    return `its path ${record.path} is marked`;
  });
  return [...done, ...marked];
}

/**
 * Mends what can be mended without losing anybody's data: operations that were cut off, limits, the mirror of the paths;
 * and has another go at the trash. The session holds the pool's lease.
 * @returns what was done, a line each
 */
export async function repairPool(session: Session): Promise<string[]> {
  const done = [...(await finishAll(session)), ...(await setLimits(session)), ...(await mendMirror(session))];
  if (session.catalog.trashCount > 0) {
    session.purgeSoon();
    done.push(`trash: ${session.catalog.trashCount} entries are being purged`);
  }
  return done;
}
