import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { parseRecord, type VolumeRecord } from '../records/record.js';
import { KnownPools } from './known-pools.js';

let directory: string;
let known: KnownPools;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'known-'));
  known = new KnownPools(directory);
});

afterEach(async () => {
  await rm(directory, { recursive: true });
});

function record(id: string): VolumeRecord {
  const json = {
    formatVersion: 1,
    id,
    name: `name of ${id}`,
    pool: 'pool',
    poolId: 'x',
    type: 'directory',
    path: `volumes/aa/${id}`,
    limitBytes: '9007199254740993',
    state: 'ready',
    quota: { mechanism: 'none' },
    owner: { uid: 0, gid: 0, mode: 0o777 },
    parameters: { onDelete: 'archive' },
    onDelete: 'archive',
    claim: { namespace: 'default' },
    createdAt: '2026-01-01T00:00:00Z',
    later: { field: [1] },
  };
  return parseRecord(id, JSON.stringify(json));
}

it('gives back every volume that it was told of, whatever it knows of its fields', async () => {
  const records = Array.from({ length: 1203 }, (_, index) => record(`v${index}`));
  await known.rememberVolumes('pool', records);
  expect(await known.volumesOf('pool')).toEqual(records);
  expect(await known.volumesOf('other')).toEqual([]);
});

it('leaves out lines that are no record', async () => {
  await known.rememberVolumes('pool', [record('a')]);
  await appendFile(join(directory, 'pool.volumes.jsonl'), 'torn{\n{"id":"b"}\n');
  expect((await known.volumesOf('pool')).map(({ id }) => id)).toEqual(['a']);
});
