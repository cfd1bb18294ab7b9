import { join } from 'node:path';
import { readFile } from 'node:fs/promises';
import { POOL_FILE } from '../../src/pools/pool-file.js';
import { defaultDataPath, recordPath } from '../../src/volumes/records/layout.js';
import { formatRecord, type VolumeRecord } from '../../src/volumes/records/record.js';
import type { Floor } from '../floor/floor.js';

const AT_A_TIME = 2_000;
const THREADS = 4;

function recordOf(id: string, poolId: string, mechanism: VolumeRecord['quota']['mechanism']): VolumeRecord {
  return {
    formatVersion: 1,
    id,
    name: id,
    pool: 'pool',
    poolId,
    type: 'directory',
    path: defaultDataPath(id),
    imported: false,
    limitBytes: 4096n,
    state: 'ready',
    quota: { mechanism },
    owner: { uid: 0, gid: 0, mode: 0o777 },
    parameters: {},
    onDelete: 'delete',
    claim: { namespace: 'default', name: id, pv: id },
    createdAt: '2026-01-01T00:00:00.000Z',
    unknownFields: {},
  };
}

/** Writes volumes into a pool as if they had been made long ago, without fsync and past the driver: making them takes too long. */
export async function seedVolumes(floor: Floor, root: string, first: number, count: number): Promise<void> {
  const file = JSON.parse(await readFile(join(root, POOL_FILE), 'utf8')) as {
    readonly id: string;
    readonly mechanism: VolumeRecord['quota']['mechanism'];
  };
  for (let from = first; from < first + count; from += AT_A_TIME) {
    const size = Math.min(AT_A_TIME, first + count - from);
    const ids = Array.from({ length: size }, (_, index) => `pvc-${String(from + index).padStart(8, '0')}`);
    const volumes = Object.fromEntries(
      ids.map((id) => {
        const text = formatRecord(recordOf(id, file.id, file.mechanism)).toString('utf8');
        return [id, { record: recordPath(id), text, path: defaultDataPath(id) }];
      }),
    );
    await floor.run('seed', ids, THREADS, { root, volumes });
  }
}
