import { describe, expect, it } from 'vitest';
import { changingRpcs, judgeMatrix } from './crash-matrix.js';

const sites = ['a.ts make mkdirat', 'a.ts remove unlinkat', 'b.ts stop kill'];
const note = (what: string, site: string) => ({ what, site });
const all = [
  note('Create, file', 'a.ts make mkdirat'),
  note('Create', 'a.ts make mkdirat'),
  note('Delete', sites[1] ?? ''),
];

describe('judgeMatrix', () => {
  it('counts kills and call sites', () => {
    const unreachable = { 'b.ts stop kill': 'nobody stops it' };
    const { text, problems } = judgeMatrix({ notes: all, sites, unreachable, wanted: ['Create', 'Delete'] });
    expect(problems).toEqual([]);
    expect(text.split('\n').map((line) => line.trim())).toEqual([
      'kills  in',
      '1  Create',
      '1  Create, file',
      '1  Delete',
      'crash matrix: 3 points visited at 2 call sites, 0 never visited (1 cannot be)',
    ]);
  });

  it('tells of what was never visited, and of a list that is not true any more', () => {
    const unreachable = { 'a.ts remove unlinkat': 'why', 'gone.ts was here': 'why' };
    expect(judgeMatrix({ notes: all, sites, unreachable, wanted: ['Create', 'Heal'] }).problems).toEqual([
      'no kill ever happened at b.ts stop kill',
      'a.ts remove unlinkat was visited: take it off the list of those that cannot be',
      'gone.ts was here is no call site any more: take it off the list',
      'no kill ever happened in Heal',
    ]);
  });
});

it('knows which RPCs change something', () => {
  const proto = 'service Controller {\n  rpc CreateVolume (A)\n    returns (B) {}\n  rpc ListVolumes (C)\n';
  expect(changingRpcs(proto)).toEqual(['CreateVolume']);
});
