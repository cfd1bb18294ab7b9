import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DamagedRecord, formatRecord, parseRecord, type VolumeRecord } from './record.js';

/** A record as version 0.1.0 wrote it: every later version has to load it. */
const RELEASED_0_1_0 = `{
 "formatVersion": 1, "id": "pvc-1", "name": "pvc-1", "pool": "fast", "poolId": "7f1c3c1e-5b0d-4f57-9b35-3f6f5f1d9c11",
 "type": "directory", "path": "volumes/ab/pvc-1", "imported": false, "limitBytes": "67108864", "state": "ready",
 "quota": { "mechanism": "project", "projectId": 65537 }, "owner": { "uid": 0, "gid": 0, "mode": 511 },
 "parameters": { "pool": "fast" }, "onDelete": "delete", "claim": { "namespace": "team-a", "name": "data" },
 "createdAt": "2026-11-21T09:00:00.000Z"
}`;

const parsed = (): VolumeRecord => parseRecord('pvc-1', RELEASED_0_1_0);

describe('parseRecord', () => {
  it('loads the record of every released version', () => {
    expect(parsed()).toMatchObject({ id: 'pvc-1', limitBytes: 67_108_864n, quota: { projectId: 65_537 } });
    expect(parsed()).toMatchObject({ type: 'directory' });
    expect(parsed().fsType).toBeUndefined();
    expect(parsed().inodeLimit).toBeUndefined();
  });

  it('knows volumes that are images, and what filesystem is in them', () => {
    const changed = (fields: object): string =>
      JSON.stringify({ ...(JSON.parse(RELEASED_0_1_0) as object), ...fields });
    expect(parseRecord('pvc-1', changed({ type: 'file', fsType: 'xfs' }))).toMatchObject({
      type: 'file',
      fsType: 'xfs',
    });
    expect(parseRecord('pvc-1', changed({ type: 'block' }))).toMatchObject({ type: 'block' });
    expect(() => parseRecord('pvc-1', changed({ type: 'file' }))).toThrow(/fsType: is missing/);
    expect(parseRecord('pvc-1', changed({ type: 'hybrid', fsType: 'ext4' }))).toMatchObject({ type: 'hybrid' });
    expect(() => parseRecord('pvc-1', changed({ type: 'hybrid' }))).toThrow(/fsType: is missing/);
    expect(() => parseRecord('pvc-1', changed({ type: 'other' }))).toThrow(DamagedRecord);
  });

  it('knows how many inodes a volume may have', () => {
    const limited = { ...(JSON.parse(RELEASED_0_1_0) as object), inodeLimit: 5000 };
    expect(parseRecord('pvc-1', JSON.stringify(limited)).inodeLimit).toBe(5000);
    expect(() => parseRecord('pvc-1', JSON.stringify({ ...limited, inodeLimit: -1 }))).toThrow(DamagedRecord);
  });

  it('keeps fields that it does not know', () => {
    const newer = { ...(JSON.parse(RELEASED_0_1_0) as object), formatVersion: 2, lease: { epoch: 4 } };
    const record = parseRecord('pvc-1', JSON.stringify(newer));
    expect(JSON.parse(formatRecord(record).toString())).toMatchObject({ formatVersion: 2, lease: { epoch: 4 } });
  });

  it('reads what it wrote', () => {
    expect(parseRecord('pvc-1', formatRecord(parsed()).toString())).toEqual(parsed());
  });

  it('calls anything torn a damaged record, and says which', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: RELEASED_0_1_0.length - 2 }), (length) => {
        expect(() => parseRecord('pvc-1', RELEASED_0_1_0.slice(0, length))).toThrow(DamagedRecord);
      }),
    );
    expect(() => parseRecord('other', RELEASED_0_1_0)).toThrow('it is the record of "pvc-1"');
  });
});
