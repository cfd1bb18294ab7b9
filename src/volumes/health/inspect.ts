import { formatBytes } from '../../base/units.js';
import { Limiter } from '../../base/limiter.js';
import type { ProcessIdentity } from '../../linux/process-info.js';
import type { Tree } from '../../linux/tree.js';
import type { QuotaMechanism } from '../../quota/mechanism.js';
import type { Catalog } from '../records/catalog.js';
import { ARCHIVE_DIRECTORY, SNAPSHOTS_DATA_DIRECTORY, VOLUMES_DIRECTORY } from '../records/layout.js';
import { lookAtLease } from '../pool/lease.js';
import { limitProblem } from '../pool/limits.js';
import { findMarkProblems } from '../pool/path-marks.js';
import { readRecord, type VolumeRecord } from '../records/record.js';
import { isImage } from '../requests/volume-shape.js';
import { hybridProblem } from './hybrid-problem.js';
import { imageProblem } from './image-problem.js';
import type { SnapshotCatalog } from '../records/snapshot-catalog.js';
import { snapshotRecordPath } from '../records/snapshot-record.js';

/** Something that was looked at. */
export interface Finding {
  readonly ok: boolean;
  readonly text: string;
}

export const good = (text: string): Finding => ({ ok: true, text });
export const bad = (text: string): Finding => ({ ok: false, text });

const PARALLEL = 6;
/** How long a deletion may take until it counts as one that does not get on, in ms. */
const SLOW_MS = 60 * 60 * 1000;
/** A holder that has not renewed for so long, by its own clock, is most probably gone. */
const SILENT_MS = 5 * 60 * 1000;
const REPAIR = '"kayal doctor --repair" mends it';

export interface InspectOptions {
  readonly tree: Tree;
  readonly mechanism: QuotaMechanism;
  /** Just loaded. */
  readonly catalog: Catalog;
  readonly snapshots: SnapshotCatalog;
  /** Where data lies, listed before the records were read: what has no record then was not made meanwhile. */
  readonly dataPaths: readonly string[];
  readonly overcommit: number;
  readonly self: ProcessIdentity;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** Every directory of `volumes/<h>` and of the archive. */
export async function listDataPaths(tree: Tree): Promise<string[]> {
  const limiter = new Limiter(PARALLEL);
  const namesIn = async (path: string): Promise<string[]> =>
    ((await tree.list(path)) ?? []).map(({ name }) => `${path}/${name}`);
  const buckets = await namesIn(VOLUMES_DIRECTORY);
  const lists = await Promise.all([ARCHIVE_DIRECTORY, ...buckets].map((path) => limiter.run(() => namesIn(path))));
  return lists.flat();
}

/** Looks at everything that Kayal keeps in a pool and changes nothing, while a controller may be at work. */
export async function inspectPool(options: InspectOptions): Promise<Finding[]> {
  return [
    ...(await inspectLease(options)),
    ...inspectDamaged(options),
    ...(await inspectData(options)),
    ...(await inspectUnrecorded(options)),
    ...(await inspectSnapshots(options)),
    ...inspectUnfinished(options),
    ...(await inspectMirror(options)),
    ...inspectTrash(options),
    ...(await inspectLedger(options)),
  ];
}

async function inspectLease({ tree, self, now }: InspectOptions): Promise<Finding[]> {
  const { holder, renewedAt, fences } = await lookAtLease(tree, self);
  if (fences > 1)
    return [bad(`the lease has ${fences} directories instead of one: start the controller, which takes the newest`)];
  if (holder === undefined) return [good('nobody holds the lease')];
  const silent = renewedAt !== undefined && now - Date.parse(renewedAt) > SILENT_MS;
  return [
    silent
      ? bad(
          `the lease is held by ${holder}, which has not renewed it for long: that controller is gone, or its clock is wrong`,
        )
      : good(`the lease is held by ${holder}`),
  ];
}

function inspectDamaged({ catalog }: InspectOptions): Finding[] {
  return catalog.sortedIds().flatMap((id) => {
    const damaged = catalog.damagedRecord(id);
    return damaged === undefined
      ? []
      : [bad(`${damaged.message.replace('; see "kayal doctor"', '')}; restore it from a backup`)];
  });
}

/** Records whose data is there, with their limits. A volume that changed meanwhile is not told of. */
async function inspectData({ tree, mechanism, catalog }: InspectOptions): Promise<Finding[]> {
  const limiter = new Limiter(PARALLEL);
  const problemOf = async (record: VolumeRecord): Promise<string | undefined> => {
    if (record.state === 'creating' || record.state === 'deleting') return undefined;
    const entry = await tree.stat(record.path);
    if (entry === undefined)
      return `its data is not at ${record.path}: restore it, or delete its PersistentVolumeClaim`;
    const problem = await limitProblem(mechanism, record);
    if (problem !== undefined) return `${problem}: ${REPAIR}`;
    if (record.type === 'hybrid') return hybridProblem(tree, record);
    return isImage(record) ? imageProblem(tree, record) : undefined;
  };
  const problems = await Promise.all(
    [...catalog.records()].map((record) =>
      limiter.run(async () => {
        if ((await problemOf(record)) === undefined) return [];
        const now = await readRecord(tree, record.id);
        const problem = now?.state === record.state ? await problemOf(now) : undefined;
        return problem === undefined ? [] : [bad(`volume ${record.id}: ${problem}`)];
      }),
    ),
  );
  return problems.flat();
}

async function inspectUnrecorded({ tree, catalog, dataPaths }: InspectOptions): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const path of dataPaths) {
    if (catalog.conflictingVolume(path) !== undefined) continue;
    const id = path.slice(path.lastIndexOf('/') + 1);
    // A damaged record does not say where its data is; usually it is where its id leads.
    if (catalog.damagedRecord(id) !== undefined) continue;
    // A volume that is being deleted loses its data before its record; one that is gone by now was on its way.
    if ((await tree.stat(path)) === undefined || (await readRecord(tree, id).catch(() => undefined)) !== undefined)
      continue;
    findings.push(
      bad(
        `${path} belongs to no volume and is counted nowhere: look what it is, and move it out of ${VOLUMES_DIRECTORY} or remove it`,
      ),
    );
  }
  return findings;
}

async function inspectSnapshots({ tree, snapshots }: InspectOptions): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { id, state, path } of snapshots.records()) {
    if (state !== 'ready' || (await tree.stat(path)) !== undefined) continue;
    if ((await tree.stat(snapshotRecordPath(id))) === undefined) continue;
    findings.push(bad(`snapshot ${id}: its data is not at ${path}: restore it, or delete its VolumeSnapshot`));
  }
  for (const { name } of (await tree.list(SNAPSHOTS_DATA_DIRECTORY)) ?? []) {
    if (snapshots.get(name) !== undefined || snapshots.damagedRecord(name) !== undefined) continue;
    const path = `${SNAPSHOTS_DATA_DIRECTORY}/${name}`;
    const isGone = (await tree.stat(path)) === undefined;
    if (isGone || (await tree.stat(snapshotRecordPath(name))) !== undefined) continue;
    findings.push(bad(`${path} belongs to no snapshot and is counted nowhere: look what it is, and remove it`));
  }
  return findings;
}

function inspectUnfinished({ catalog, now }: InspectOptions): Finding[] {
  return [...catalog.records()].flatMap((record) => {
    const since = Date.parse(record.deletedAt ?? record.createdAt);
    if ((record.state !== 'creating' && record.state !== 'deleting') || now - since < SLOW_MS) return [];
    return [bad(`volume ${record.id} is ${record.state} since ${new Date(since).toISOString()}: ${REPAIR}`)];
  });
}

async function inspectMirror({ tree, catalog }: InspectOptions): Promise<Finding[]> {
  const { stale, unused, missing } = await findMarkProblems(tree, catalog);
  return [
    ...stale.map((path) => bad(`path ${path} is marked as a volume's, and no volume has it: ${REPAIR}`)),
    ...unused.map((path) => bad(`path ${path} is kept in mind for volumes, and there is none: ${REPAIR}`)),
    ...missing.map(({ id, path }) => bad(`volume ${id}: its path ${path} is not marked as a volume's: ${REPAIR}`)),
  ];
}

/** When a trash entry was deleted: its name ends with the digits of an ISO 8601 time, to the millisecond. */
function deletedAt(name: string): number {
  const digits = /-(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d{3})$/.exec(name);
  if (digits === null) return Number.NaN;
  const [, year, month, day, hour, minute, second, ms] = digits;
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}Z`);
}

function inspectTrash({ catalog, now }: InspectOptions): Finding[] {
  const trash = catalog.trash();
  if (trash.length === 0) return [];
  const old = trash.filter(({ name }) => !(now - deletedAt(name) < SLOW_MS));
  const bytes = trash.reduce((sum, { limitBytes }) => sum + limitBytes, 0n);
  const all = `the trash has ${trash.length} deleted volumes, ${formatBytes(bytes)} of limits`;
  if (old.length === 0) return [good(all)];
  return [
    bad(
      `${all}; ${old.length} of them for more than an hour (${old[0]?.name}, …): it is not purged; the controller's log says why`,
    ),
  ];
}

async function inspectLedger({ tree, catalog, overcommit }: InspectOptions): Promise<Finding[]> {
  const { total, free, available } = await tree.statfs('');
  // As Capacity counts: blocks that the filesystem keeps for root are nobody's to promise.
  const size = total - free + available;
  const sellable = BigInt(Math.floor(Number(size) * overcommit));
  const text = `${formatBytes(catalog.promisedBytes)} are promised of ${formatBytes(sellable)} (size ${formatBytes(size)} × overcommit ${overcommit})`;
  return [
    catalog.promisedBytes <= sellable
      ? good(text)
      : bad(`${text}: volumes can run out of space before they reach their limits`),
  ];
}
