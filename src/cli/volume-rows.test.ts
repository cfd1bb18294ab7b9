import { describe, expect, it } from 'vitest';
import { formatAge } from './table.js';
import { filterRows, formatRows, type VolumeRow } from './volume-rows.js';

const NOW = Date.parse('2026-03-01T00:00:00.000Z');
const DAY_MS = 24 * 60 * 60 * 1000;

function row(handle: string, fields: Partial<VolumeRow> = {}): VolumeRow {
  return {
    handle,
    kind: 'volume',
    source: null,
    pool: 'p',
    name: handle,
    state: 'ready',
    sizeBytes: 1 << 30,
    usedBytes: null,
    claim: null,
    persistentVolume: null,
    pod: null,
    path: 'volumes/aa/v',
    onDelete: 'delete',
    createdAt: '2026-01-01T00:00:00.000Z',
    deletedAt: null,
    lastUsedAt: null,
    ...fields,
  };
}

describe('filterRows', () => {
  const rows = [
    row('p/live', { lastUsedAt: '2026-02-28T12:00:00.000Z' }),
    row('p/idle', { lastUsedAt: '2026-01-15T00:00:00.000Z' }),
    row('p/never'),
    row('p/new', { createdAt: '2026-02-27T00:00:00.000Z' }),
    row('p/aside', { state: 'archived' }),
    row('p/kept', { state: 'retained' }),
    row('p/snap', { kind: 'snapshot' }),
    row('p/torn', { state: 'damaged', createdAt: null }),
  ];
  const names = (filter: Partial<Parameters<typeof filterRows>[1]>): string[] =>
    filterRows(rows, { archived: false, retained: false, ...filter }, NOW).map(({ handle }) => handle);

  it('shows everything without a filter', () => {
    expect(names({})).toHaveLength(rows.length);
  });

  it('takes for orphans only volumes that the CO should have', () => {
    expect(names({ orphansOf: new Set(['p/live', 'p/new']) })).toEqual(['p/idle', 'p/never']);
  });

  it('counts a volume that was never in use from when it was made', () => {
    expect(names({ unusedForMs: 30 * DAY_MS })).toEqual(['p/idle', 'p/never']);
    expect(names({ unusedForMs: 30 * DAY_MS, orphansOf: new Set(['p/idle']) })).toEqual(['p/never']);
  });

  it('takes of the unused ones only those that the cluster has and does not use, when it was asked', () => {
    expect(names({ unusedForMs: 30 * DAY_MS, idle: new Set(['p/never', 'p/live']) })).toEqual(['p/never']);
  });

  it('shows inline volumes that nobody uses, and never takes them for orphans', () => {
    const pod = { node: 'n1', uid: 'u', name: 'team/web' };
    const inline = row('p/inline', { kind: 'inline', pod });
    const shown = (filter: object): unknown =>
      filterRows([inline], { archived: false, retained: false, ...filter }, NOW);
    expect(shown({ unusedForMs: 30 * DAY_MS })).toEqual([inline]);
    expect(shown({ orphansOf: new Set() })).toEqual([]);
    expect(formatRows([inline], NOW)).toContain('pod team/web on n1');
  });

  it('shows what was kept, by how it was', () => {
    expect(names({ archived: true })).toEqual(['p/aside']);
    expect(names({ retained: true })).toEqual(['p/kept']);
    expect(names({ archived: true, retained: true })).toEqual([]);
  });
});

describe('formatRows', () => {
  it('gives each column the room that it needs, and a dash to what is not known', () => {
    const rows = [
      row('p/a', { usedBytes: 512, claim: 'team/data', lastUsedAt: '2026-02-28T22:00:00.000Z' }),
      row('pool/longer', { sizeBytes: null, state: 'damaged', createdAt: null }),
    ];
    expect(formatRows(rows, NOW).split('\n')).toEqual([
      'NAME         KIND     SIZE   USED  AGE  CLAIM      STATE    LAST USED',
      'p/a          volume  1 GiB  512 B  59d  team/data  ready    2h ago',
      'pool/longer  volume      -      -    -  -          damaged  -',
      '',
    ]);
  });
});

it.each([
  [0, '0s'],
  [-5, '0s'],
  [59_999, '59s'],
  [60_000, '1m'],
  [3_600_000, '1h'],
  [86_400_000, '1d'],
  [40 * 86_400_000, '40d'],
])('formatAge(%j) is %s', (ms, text) => {
  expect(formatAge(ms)).toBe(text);
});
