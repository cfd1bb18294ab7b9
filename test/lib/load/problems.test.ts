import { describe, expect, it } from 'vitest';
import type { SeenPool, SeenVolume } from './pool-look.js';
import { problemsOf } from './problems.js';
import { Told } from './told.js';

const files = new Map([['first', 'hash']]);
const good: SeenVolume = { id: 'v', recordedBytes: 8, limitBytes: 8, files };

function toldOf(): Told {
  const told = new Told();
  told.volumes.set('v', { handle: 'p/v', limitBytes: 8, files });
  told.snapshots.set('s', { handle: 'p/s', files });
  return told;
}

function seenWith(parts: Partial<SeenPool>): SeenPool {
  const snapshots = new Map([['s', { id: 's', usedBytes: 8, files }]]);
  return { volumes: new Map([['v', good]]), snapshots, unfinished: [], ...parts };
}

const withVolume = (change: Partial<SeenVolume>): SeenPool =>
  seenWith({ volumes: new Map([['v', { ...good, ...change }]]) });

describe('problemsOf', () => {
  it('finds nothing wrong with what was told', () => {
    expect(problemsOf(seenWith({}), toldOf())).toEqual([]);
  });

  it.each([
    ['a volume that is lost', seenWith({ volumes: new Map() }), 'volume v: lost'],
    ['a record without data', withVolume({ files: undefined }), 'volume v: has no data'],
    ['data without a record', withVolume({ recordedBytes: undefined }), 'volume v: undefined bytes on record, not 8'],
    ['a limit that is not in force', withVolume({ limitBytes: undefined }), 'volume v: limited to undefined bytes'],
    ['a file that is lost', withVolume({ files: new Map() }), 'volume v: lost: first'],
    ['a file that changed', withVolume({ files: new Map([['first', 'x']]) }), 'volume v: changed: first'],
    ['a file of somebody else', withVolume({ files: new Map([...files, ['x', 'x']]) }), 'volume v: not its own: x'],
    ['a snapshot that is lost', seenWith({ snapshots: new Map() }), 'snapshot s: lost'],
    [
      'a snapshot of another time',
      seenWith({ snapshots: new Map([['s', { id: 's', usedBytes: 8, files: new Map() }]]) }),
      'snapshot s: lost: first',
    ],
    ['what is left in the trash', seenWith({ unfinished: ['.kayal/trash/x'] }), 'left: .kayal/trash/x'],
  ])('finds %s', (_, seen, problem) => {
    expect(problemsOf(seen, toldOf())).toEqual([expect.stringContaining(problem) as string]);
  });

  it('finds what was deleted and is there', () => {
    const told = toldOf();
    told.volumeDeleted('v');
    told.snapshotDeleted('s');
    expect(problemsOf(seenWith({}), told)).toEqual([
      expect.stringContaining('volume v: nobody has it') as string,
      expect.stringContaining('snapshot s: nobody has it') as string,
    ]);
  });
});
