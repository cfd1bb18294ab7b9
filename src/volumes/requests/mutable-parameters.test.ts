import { describe, expect, it } from 'vitest';
import { applyMutableParameters, parseMutableParameters } from './mutable-parameters.js';
import { RECORD_FORMAT, type VolumeRecord } from '../records/record.js';

const RECORD: VolumeRecord = {
  formatVersion: RECORD_FORMAT,
  id: 'v',
  name: 'v',
  pool: 'p',
  poolId: 'i',
  type: 'directory',
  path: 'volumes/aa/v',
  imported: false,
  limitBytes: 1n,
  state: 'ready',
  quota: { mechanism: 'none' },
  owner: { uid: 0, gid: 0, mode: 0 },
  parameters: {},
  onDelete: 'delete',
  claim: {},
  createdAt: '2026-01-01T00:00:00.000Z',
  unknownFields: { later: 1 },
};

describe('parseMutableParameters', () => {
  it('reads what is there and nothing else', () => {
    expect(parseMutableParameters({})).toEqual({});
    // csi-resizer with --extra-modify-metadata, as the chart runs it.
    expect(parseMutableParameters({ onDelete: 'delete', 'csi.storage.k8s.io/pvc/name': 'web' })).toEqual({
      onDelete: 'delete',
    });
    expect(parseMutableParameters({ softLimitPercent: '80' })).toEqual({ softLimitPercent: 80 });
    expect(parseMutableParameters({ onDelete: 'retain', softLimitPercent: '1' })).toEqual({
      onDelete: 'retain',
      softLimitPercent: 1,
    });
  });

  it.each(['0', '100', '-1', '1.5', '', ' 5', '05'])('refuses %j percent', (softLimitPercent) => {
    expect(() => parseMutableParameters({ softLimitPercent })).toThrow('is not a whole number from 1 to 99');
  });

  it('reads a limit of inodes, and that there shall be none', () => {
    expect(parseMutableParameters({ inodeLimit: '5000' })).toEqual({ inodeLimit: 5000 });
    expect(parseMutableParameters({ inodeLimit: 'none' })).toEqual({ inodeLimit: 0 });
    for (const inodeLimit of ['9', '0', '-5', '1.5', ' 50', '1e3', '', '1000000000001', 'NONE']) {
      expect(() => parseMutableParameters({ inodeLimit })).toThrow(
        'is not a whole number from 10 to 1000000000000, or none',
      );
    }
  });

  it('names the known ones when one is unknown, and is not taken in by names that every object has', () => {
    expect(() => parseMutableParameters({ iops: '1' })).toThrow(
      'unknown mutable parameter "iops"; known are onDelete, softLimitPercent',
    );
    expect(() => parseMutableParameters({ constructor: '1' })).toThrow('unknown mutable parameter "constructor"');
  });
});

describe('applyMutableParameters', () => {
  it('changes what is given only, and keeps fields that it does not know', () => {
    expect(applyMutableParameters(RECORD, { softLimitPercent: 80 })).toEqual({ ...RECORD, softLimitPercent: 80 });
  });

  it('gives the same record back when nothing changes', () => {
    expect(applyMutableParameters(RECORD, {})).toBe(RECORD);
    expect(applyMutableParameters(RECORD, { onDelete: 'delete' })).toBe(RECORD);
  });

  it('does not promise to delete what Kayal did not make', () => {
    const imported: VolumeRecord = { ...RECORD, imported: true, onDelete: 'retain' };
    expect(() => applyMutableParameters(imported, { onDelete: 'delete' })).toThrow('always stays');
    expect(applyMutableParameters(imported, { onDelete: 'retain' })).toBe(imported);
  });
});
