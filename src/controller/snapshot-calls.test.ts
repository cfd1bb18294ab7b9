import { describe, expect, it } from 'vitest';
import { refuseParameters } from './snapshot-calls.js';

describe('parameters of snapshots', () => {
  it('there are none but what the sidecar adds', () => {
    expect(() => refuseParameters({ 'csi.storage.k8s.io/volumesnapshot/name': 'a' })).not.toThrow();
    expect(() => refuseParameters({ deletionPolicy: 'Delete' })).toThrow('unknown parameter "deletionPolicy"');
  });

  it('a key that means nothing passes, and takes no other one along', () => {
    expect(() => refuseParameters({ deletionPolicy: 'Delete' }, ['deletionPolicy'])).not.toThrow();
    expect(() => refuseParameters({ deletionPolicy: 'Delete', pool: 'a' }, ['deletionPolicy'])).toThrow(
      'unknown parameter "pool"; snapshots have none',
    );
  });
});
