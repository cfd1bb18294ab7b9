import { messageOf } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { Limiter } from '../../base/limiter.js';
import type { Tree } from '../../linux/tree.js';
import type { QuotaMechanism } from '../../quota/mechanism.js';
import type { Capacity } from '../pool/capacity.js';
import type { Catalog, TrashEntry } from '../records/catalog.js';
import {
  RECORDS_DIRECTORY,
  SNAPSHOTS_DIRECTORY,
  TRASH_DIRECTORY,
  TRASH_RECORD,
  defaultDataPath,
} from '../records/layout.js';
import { promisedBytesOf } from '../records/promised.js';
import { DamagedRecord, parseRecord } from '../records/record.js';
import type { SnapshotCatalog } from '../records/snapshot-catalog.js';
import { DamagedSnapshot, parseSnapshot } from '../records/snapshot-record.js';
import { copyOwner } from '../life/content-copy.js';
import { observeSnapshot } from '../life/snapshots.js';

const MAX_RECORD_BYTES = 64 * 1024;
const PARALLEL = 6;

export interface LoadOptions {
  readonly tree: Tree;
  readonly catalog: Catalog;
  readonly snapshots: SnapshotCatalog;
  readonly capacity: Capacity;
  readonly mechanism: QuotaMechanism;
  readonly log: Logger;
}

/** Reads every record and the trash of a pool into the catalog. A file that is no record makes only its own volume unusable. */
export async function loadCatalog(options: LoadOptions): Promise<void> {
  const limiter = new Limiter(PARALLEL);
  for (const [directory, load] of [
    [RECORDS_DIRECTORY, loadBucket],
    [SNAPSHOTS_DIRECTORY, loadSnapshots],
  ] as const) {
    const buckets = (await options.tree.list(directory)) ?? [];
    await Promise.all(
      buckets
        .filter(({ type }) => type === 'directory')
        .map(({ name }) => limiter.run(() => load(options, `${directory}/${name}`))),
    );
  }
  await loadTrash(options);
}

async function loadBucket(options: LoadOptions, directory: string): Promise<void> {
  for (const { name, data } of await options.tree.readFiles(directory, MAX_RECORD_BYTES)) {
    if (!name.endsWith('.json')) continue;
    const id = name.slice(0, -'.json'.length);
    const path = `${directory}/${name}`;
    try {
      if (typeof data === 'string') throw new DamagedRecord(id, path, `it cannot be read (${data})`);
      options.catalog.put(parseRecord(id, data.toString('utf8'), path));
    } catch (error) {
      if (!(error instanceof DamagedRecord)) throw error;
      await putDamaged(options, error);
    }
  }
}

async function loadSnapshots(options: LoadOptions, directory: string): Promise<void> {
  for (const { name, data } of await options.tree.readFiles(directory, MAX_RECORD_BYTES)) {
    if (!name.endsWith('.json')) continue;
    const id = name.slice(0, -'.json'.length);
    const path = `${directory}/${name}`;
    try {
      if (typeof data === 'string') throw new DamagedSnapshot(id, path, `it cannot be read (${data})`);
      const record = parseSnapshot(id, data.toString('utf8'), path);
      options.snapshots.put(record);
      if (record.state === 'ready') observeSnapshot(options, record);
    } catch (error) {
      if (!(error instanceof DamagedSnapshot)) throw error;
      options.snapshots.putDamaged(error);
      options.log.error({ snapshot: id, error: error.message }, 'damaged record');
    }
  }
}

/** What the volume's data may grow to stays promised, as far as its limit can be read where data usually lies. */
async function putDamaged({ catalog, mechanism, log }: LoadOptions, error: DamagedRecord): Promise<void> {
  let limitBytes = 0n;
  try {
    limitBytes = (await mechanism.get({ path: defaultDataPath(error.id) })) ?? 0n;
  } catch (reason) {
    log.warn({ volume: error.id, error: messageOf(reason) }, 'the limit of a volume with a damaged record is unknown');
  }
  catalog.putDamaged(error, limitBytes);
  log.error({ volume: error.id, limitBytes: String(limitBytes), error: error.message }, 'damaged record');
}

async function loadTrash({ tree, catalog, log }: LoadOptions): Promise<void> {
  for (const { name, type } of (await tree.list(TRASH_DIRECTORY)) ?? []) {
    if (type !== 'directory') continue;
    if (copyOwner(name) !== undefined) {
      // What is in it is a tenant's; its space is promised by the record that it was made for.
      catalog.putTrash({ name, limitBytes: 0n });
      continue;
    }
    const files = await tree.readFiles(`${TRASH_DIRECTORY}/${name}`, MAX_RECORD_BYTES);
    const data = files.find((file) => file.name === TRASH_RECORD)?.data;
    try {
      if (typeof data === 'string') throw new Error(`it cannot be read (${data})`);
      // Without its record (cut off between the last two steps of a purge) there is nothing left to promise.
      const promise = data === undefined ? { limitBytes: 0n } : promiseOf(data.toString('utf8'));
      catalog.putTrash({ name, ...promise });
    } catch (error) {
      log.error({ entry: name, error: messageOf(error) }, 'damaged record in the trash');
      catalog.putTrash({ name, limitBytes: 0n });
    }
  }
}

/** What a deleted volume or snapshot keeps promised until it is purged. */
function promiseOf(text: string): Omit<TrashEntry, 'name'> {
  const json = JSON.parse(text) as { readonly id?: unknown; readonly type?: unknown };
  const id = typeof json.id === 'string' ? json.id : '';
  if (json.type === 'snapshot') return { limitBytes: parseSnapshot(id, text, 'trash').usedBytes };
  const record = parseRecord(id, text, 'trash');
  return { limitBytes: promisedBytesOf(record), projectId: record.quota.projectId };
}
