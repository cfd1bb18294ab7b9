import { describe, expect, it } from 'vitest';
import { readArguments } from './arguments.js';
import { COMMANDS } from './commands.js';
import { poolObject } from './pool-object.js';

function objectOf(line: string): unknown {
  return poolObject(readArguments('kubectl kayal pool add', line.split(' '), COMMANDS.poolAdd.flags));
}

const specOf = (line: string): unknown => (objectOf(line) as { spec: unknown }).spec;

describe('pool add', () => {
  it('makes the object of a pool with devices', () => {
    expect(
      objectOf('fast --type replica3 --device n1:/dev/vdc --device n2:/dev/vdc --device n3:/dev/disk/by-id/x'),
    ).toEqual({
      apiVersion: 'kayal.storage/v1alpha1',
      kind: 'StoragePool',
      metadata: { name: 'fast' },
      spec: {
        managed: {
          replica: 3,
          bricks: [
            { node: 'n1', device: '/dev/vdc' },
            { node: 'n2', device: '/dev/vdc' },
            { node: 'n3', device: '/dev/disk/by-id/x' },
          ],
        },
      },
    });
  });

  it('keeps bricks of all kinds in the order of the command line', () => {
    expect(specOf('a --type arbiter --path n1:/srv/a --pvc claim --device n3:/dev/sdb')).toEqual({
      managed: {
        replica: 2,
        arbiter: 1,
        bricks: [{ node: 'n1', path: '/srv/a' }, { pvc: 'claim' }, { node: 'n3', device: '/dev/sdb' }],
      },
    });
  });

  it('takes disperse sets, existing volumes, and what else a pool may have', () => {
    const paths = [1, 2, 3].map((n) => `--path n${n}:/srv/x`).join(' ');
    expect(specOf(`a --type disperse --data 2 --redundancy 1 ${paths} --quota none --no-storage-class`)).toMatchObject({
      managed: { disperse: { data: 2, redundancy: 1 } },
      quota: 'none',
      storageClass: { create: false },
    });
    expect(
      specOf(
        'b --type external --host g1 --host g2 --volume vol --option log-level=ERROR --storage-class gold --reclaim-policy Retain',
      ),
    ).toEqual({
      external: { hosts: ['g1', 'g2'], volume: 'vol', options: { 'log-level': 'ERROR' } },
      storageClass: { name: 'gold', volumeReclaimPolicy: 'Retain' },
    });
  });

  it.each([
    ['fast --type replica2 --device a:/dev/b --device c:/dev/d', /replica2 is refused: .*; take replica3, or arbiter/],
    ['fast --device a:/dev/b', /--type is missing: one of replica1, replica3, arbiter, disperse, external/],
    ['--type replica1 --device a:/dev/b', /the name of the pool is missing/],
    ['Fast --type replica1 --device a:/dev/b', /Fast: a pool is called by at most 40/],
    ['fast --type replica3 --device a:/dev/b', /bricks: must list 3 for each group, so 3, 6, 9/],
    ['fast --type replica1', /there are no bricks: give --device/],
    ['fast --type replica1 --device /dev/b', /--device: must be NODE:\/PATH/],
    ['fast --type replica1 --device a:/dev/b --volume v', /--volume: does not go with --type replica1/],
    ['fast --type external --volume v', /--type external needs --host/],
    [
      'fast --type external --host h --volume v --option dump-fuse=/x',
      /dump-fuse is not an option that a pool may set/,
    ],
    ['fast --type disperse --path a:/b', /--data is missing/],
    [
      'fast --type replica1 --device a:/dev/b --size 3',
      /--size: is not a flag of kubectl kayal pool add; there is --type/,
    ],
    ['fast --type replica1 --type replica3', /--type: is given twice/],
  ])('%s: says what is wrong and what to do', (line, message) => {
    expect(() => objectOf(line)).toThrow(message);
  });
});
