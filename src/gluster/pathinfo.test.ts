import { describe, expect, it } from 'vitest';
import { silentBricks } from './pathinfo.js';

const posix = (brick: string): string => `<POSIX(${brick}):host:${brick}/>`;
const groups = [
  ['/b/0', '/b/1', '/b/2'],
  ['/b/3', '/b/4', '/b/5'],
];

describe('silentBricks', () => {
  it('is satisfied by enough bricks of each group', () => {
    const all = groups.map((bricks, n) => `(<REPLICATE:p-replicate-${n}> ${bricks.slice(0, 2).map(posix).join(' ')})`);
    expect(silentBricks(`(<DISTRIBUTE:p-dht> ${all.join(' ')})`, { groups, needed: 2 })).toEqual([]);
  });

  it('names who is away from groups that cannot be read', () => {
    const pathinfo = `(<DISTRIBUTE:p-dht> (<REPLICATE:p-replicate-0> ${posix('/b/0')}) (<REPLICATE:p-replicate-1> ${posix('/b/3')} ${posix('/b/5')}))`;
    expect(silentBricks(pathinfo, { groups, needed: 2 })).toEqual(['/b/1', '/b/2']);
    expect(silentBricks('', { groups, needed: 2 })).toEqual(groups.flat());
  });
});
