import { expect, it } from 'vitest';
import { Catalog } from './catalog.js';
import { parseRecord, type VolumeRecord } from './record.js';

function record(id: string, fields: Partial<VolumeRecord> = {}): VolumeRecord {
  const json = {
    formatVersion: 1,
    id,
    name: id,
    pool: 'pool',
    poolId: 'x',
    type: 'directory',
    path: `volumes/aa/${id}`,
    limitBytes: '4096',
    state: 'ready',
    quota: { mechanism: 'none' },
    owner: { uid: 0, gid: 0, mode: 0o777 },
    parameters: {},
    onDelete: 'delete',
    claim: {},
    createdAt: '2026-01-01T00:00:00Z',
  };
  return { ...parseRecord(id, JSON.stringify(json)), ...fields };
}

it('knows which volumes are being made, from whichever way their records came', () => {
  const catalog = new Catalog();
  catalog.put(record('a', { state: 'creating' }));
  catalog.put(record('b'));
  catalog.put(record('c', { state: 'creating' }));
  expect(catalog.creating().map(({ id }) => id)).toEqual(['a', 'c']);
  catalog.put(record('a'));
  catalog.remove('c');
  expect(catalog.creating()).toEqual([]);
  expect(catalog.sortedIds()).toEqual(['a', 'b']);
});
