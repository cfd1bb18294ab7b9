import { describe, expect, it } from 'vitest';
import { parseClaim, parseParameters } from './parameters.js';

describe('parseParameters', () => {
  it('has the defaults of the docs', () => {
    expect(parseParameters({})).toEqual({
      pools: [],
      volumeType: 'directory',
      fsType: undefined,
      pathPattern: undefined,
      onDelete: 'delete',
      uid: 0,
      gid: 0,
      mode: 0o777,
    });
  });

  it('names every unknown parameter and lists the known ones', () => {
    expect(() => parseParameters({ size: '1', Pool: 'x' })).toThrow(
      'unknown parameter "size", "Pool"; known are pool, volumeType, fsType, pathPattern, onDelete, inodeLimit, syncInterval, onNodeLoss, uid, gid, mode',
    );
  });

  it('leaves what sidecars add to the sidecars', () => {
    const given = { 'csi.storage.k8s.io/pvc/name': 'data', 'csi.storage.k8s.io/fstype': 'ext4' };
    expect(parseParameters(given).pools).toEqual([]);
    expect(parseClaim(given)).toEqual({ namespace: undefined, name: 'data', pv: undefined });
  });

  it.each([
    ['pool', 'a,,b'],
    ['pool', 'a,a'],
    ['pool', '../a'],
    ['onDelete', 'Delete'],
    ['uid', '-1'],
    ['uid', '4294967295'],
    ['gid', '1e3'],
    ['mode', '0o777'],
    ['mode', '888'],
    ['pathPattern', '../x'],
    ['volumeType', 'block'],
    ['fsType', 'btrfs'],
    ['syncInterval', '0s'],
    ['syncInterval', '10'],
    ['syncInterval', '500ms'],
    ['syncInterval', '61m'],
    ['syncInterval', '3601s'],
    ['onNodeLoss', 'give-up'],
    ['inodeLimit', '9'],
    ['inodeLimit', '1e6'],
    ['inodeLimit', '0'],
    ['inodeLimit', '1000000000001'],
  ])('refuses %s: %s and says what is allowed', (key, value) => {
    expect(() => parseParameters({ [key]: value })).toThrow(`parameter ${key}: ${JSON.stringify(value)} is not `);
  });

  it('takes what is for hybrid volumes for those alone', () => {
    const given = { syncInterval: '1h', onNodeLoss: 'takeover' };
    expect(parseParameters({ ...given, volumeType: 'hybrid' }).volumeType).toBe('hybrid');
    expect(() => parseParameters(given)).toThrow('parameter syncInterval is for hybrid volumes');
    expect(() => parseParameters({ onNodeLoss: 'wait', volumeType: 'file' })).toThrow('parameter onNodeLoss is for');
  });

  it('is not confused by names of Object', () => {
    expect(() =>
      parseParameters(JSON.parse('{"__proto__": "x", "constructor": "y"}') as Record<string, string>),
    ).toThrow(/unknown parameter/);
  });
});
