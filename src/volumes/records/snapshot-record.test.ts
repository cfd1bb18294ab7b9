import { describe, expect, it } from 'vitest';
import { DamagedSnapshot, formatSnapshot, parseSnapshot, type SnapshotRecord } from './snapshot-record.js';

const record: SnapshotRecord = {
  formatVersion: 1,
  type: 'snapshot',
  id: 'snap',
  name: 'snap',
  pool: 'p',
  poolId: '0e0e',
  source: 'p/v',
  path: '.kayal/data/snapshots/snap',
  volumeType: 'directory',
  sizeBytes: 9_007_199_254_740_993n,
  usedBytes: 4096n,
  sharedBytes: 0n,
  state: 'ready',
  createdAt: '2026-11-21T10:00:00.000Z',
  unknownFields: {},
};

describe('snapshot record', () => {
  it('comes back as it was written, large sizes too', () => {
    expect(parseSnapshot('snap', formatSnapshot(record).toString())).toEqual(record);
  });

  it('knows what the volume was; those of the first release were of directories', () => {
    const json = JSON.parse(formatSnapshot({ ...record, volumeType: 'file', fsType: 'xfs' }).toString()) as object;
    expect(parseSnapshot('snap', JSON.stringify(json))).toMatchObject({ volumeType: 'file', fsType: 'xfs' });
    expect(parseSnapshot('snap', JSON.stringify({ ...json, volumeType: undefined })).volumeType).toBe('directory');
  });

  it('keeps the group and fields that it does not know', () => {
    const group = { id: 'g', name: 'g', sources: ['p/v', 'p/w'], createdAt: record.createdAt };
    const text = JSON.stringify({ ...JSON.parse(formatSnapshot({ ...record, group }).toString()), later: { a: 1 } });
    const parsed = parseSnapshot('snap', text);
    expect(parsed).toMatchObject({ group, unknownFields: { later: { a: 1 } } });
    expect(JSON.parse(formatSnapshot(parsed).toString())).toEqual(JSON.parse(text));
  });

  it.each([
    ['{', /damaged/],
    ['{}', /formatVersion/],
    [JSON.stringify({ ...JSON.parse(formatSnapshot(record).toString()), sizeBytes: '-1' }), /sizeBytes/],
    [formatSnapshot({ ...record, id: 'other' }).toString(), /record of "other"/],
  ])('says what is wrong with %s', (text, message) => {
    expect(() => parseSnapshot('snap', text)).toThrow(DamagedSnapshot);
    expect(() => parseSnapshot('snap', text)).toThrow(message);
  });
});
