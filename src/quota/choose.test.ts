import { describe, expect, it } from 'vitest';
import { failedPrecondition, unavailable } from '../base/errors.js';
import { chooseMechanism, type Candidate, type Candidates, type ChoiceOptions } from './choose.js';
import type { MechanismName, QuotaMechanism } from './mechanism.js';
import { noLimits } from './none.js';

function mechanism(name: MechanismName, problem?: Error): QuotaMechanism {
  return { ...noLimits, name, probe: () => (problem === undefined ? Promise.resolve() : Promise.reject(problem)) };
}

const broken = (name: MechanismName): Candidate => mechanism(name, failedPrecondition(`no ${name} here`));

type Options = Partial<Omit<ChoiceOptions, 'candidates'> & { candidates: Record<keyof Candidates, Candidate> }>;

const WORKING = { project: mechanism('project'), gluster: mechanism('gluster'), simple: mechanism('simple') };

function choose({ candidates = WORKING, ...options }: Options): Promise<QuotaMechanism> {
  return chooseMechanism({
    pool: 'lagoon',
    wanted: 'auto',
    recorded: undefined,
    groups: 1,
    none: noLimits,
    candidates: {
      project: async () => candidates.project,
      gluster: async () => candidates.gluster,
      simple: async () => candidates.simple,
    },
    ...options,
  });
}

describe('auto', () => {
  it('prefers project quota on one group, and what counts across groups on several', async () => {
    expect((await choose({})).name).toBe('project');
    expect((await choose({ groups: 2 })).name).toBe('gluster');
  });

  it('takes the next one that works', async () => {
    const candidates = { project: broken('project'), gluster: broken('gluster'), simple: mechanism('simple') };
    expect((await choose({ candidates })).name).toBe('simple');
    const impossible = { ...candidates, project: { impossible: 'not on XFS' }, gluster: mechanism('gluster') };
    expect((await choose({ candidates: impossible })).name).toBe('gluster');
  });

  it('never takes simple quota on several groups', async () => {
    const candidates = { project: broken('project'), gluster: broken('gluster'), simple: mechanism('simple') };
    await expect(choose({ candidates, groups: 2 })).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  });

  it('never falls back to none, and says what was tried', async () => {
    const candidates = {
      project: { impossible: 'not on XFS' },
      gluster: broken('gluster'),
      simple: broken('simple'),
    };
    await expect(choose({ candidates })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringMatching(
        /project: not on XFS\. gluster: no gluster here\. simple: no simple here/,
      ) as string,
    });
  });

  it('does not decide for good while a brick does not answer', async () => {
    const candidates = {
      project: mechanism('project', unavailable('brick 2 is away')),
      gluster: mechanism('gluster'),
      simple: mechanism('simple'),
    };
    await expect(choose({ candidates })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});

describe('a mechanism by name', () => {
  it('is the one of the config for a new pool', async () => {
    expect((await choose({ wanted: 'simple' })).name).toBe('simple');
    expect((await choose({ wanted: 'none' })).name).toBe('none');
  });

  it('is the one on record for a pool that has volumes', async () => {
    expect((await choose({ recorded: 'gluster' })).name).toBe('gluster');
    expect((await choose({ recorded: 'none' })).name).toBe('none');
  });

  it('must be the one on record', async () => {
    await expect(choose({ recorded: 'gluster', wanted: 'none' })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining('set quota to gluster or auto') as string,
    });
  });

  it('has no substitute', async () => {
    const candidates = { project: broken('project'), gluster: mechanism('gluster'), simple: mechanism('simple') };
    await expect(choose({ recorded: 'project', candidates })).rejects.toMatchObject({
      message: 'pool lagoon: quota project, which the pool was made with, does not work: no project here',
    });
  });
});

it('looks only at what it has to, and lets go of what it does not take', async () => {
  const log: string[] = [];
  const open = (made: QuotaMechanism) => async (): Promise<Candidate> => {
    log.push(`open ${made.name}`);
    return {
      ...made,
      close: async () => {
        log.push(`close ${made.name}`);
      },
    };
  };
  const candidates = {
    project: open(mechanism('project', failedPrecondition('not on XFS'))),
    gluster: open(mechanism('gluster')),
    simple: open(mechanism('simple')),
  };
  const options = { pool: 'lagoon', recorded: undefined, groups: 1, none: noLimits, candidates } as const;
  await chooseMechanism({ ...options, wanted: 'none' });
  expect(log).toEqual([]);
  await chooseMechanism({ ...options, wanted: 'auto' });
  expect(log).toEqual(['open project', 'close project', 'open gluster']);
  const away = open(mechanism('project', unavailable('brick 2 is away')));
  log.length = 0;
  await expect(
    chooseMechanism({ ...options, wanted: 'project', candidates: { ...candidates, project: away } }),
  ).rejects.toThrow('brick 2 is away');
  expect(log).toEqual(['open project', 'close project']);
});
