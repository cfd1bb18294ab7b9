import { describe, expect, it } from 'vitest';
import { poolOf, REPLICA_3 } from '../operator/test-pools.js';
import { completionFor } from './completion.js';
import { setPatch, unsetPatch } from './pool-options.js';
import { describePool, poolTable } from './show.js';

const managed = poolOf(REPLICA_3, { phase: 'Degraded', bricksUp: '2/3', message: 'brick 1 (n2:/srv/kayal): gone' });
const external = poolOf({ external: { hosts: ['h'], volume: 'v' } });

describe('options of a pool', () => {
  it('are set, and given their defaults again', () => {
    expect(setPatch(managed, ['overcommit=150', 'client-cache=no'])).toEqual({
      spec: { overcommitPercent: 150, managed: { clientCache: false } },
    });
    expect(setPatch(external, ['option.log-level=ERROR', 'option.acl=on'])).toEqual({
      spec: { external: { options: { 'log-level': 'ERROR', acl: 'on' } } },
    });
    expect(unsetPatch(external, ['option.acl', 'overcommit'])).toEqual({
      spec: { external: { options: { acl: null } }, overcommitPercent: null },
    });
  });

  it('are refused where they make no sense', () => {
    expect(() => setPatch(managed, ['option.acl=on'])).toThrow(/are for existing volumes/);
    expect(() => setPatch(external, ['client-cache=no'])).toThrow(/whose bricks Kayal runs/);
    expect(() => setPatch(managed, ['overcommit=lots'])).toThrow(/must be a percentage such as 150/);
    expect(() => setPatch(managed, ['replica=1'])).toThrow(/replica: is no option of a pool; there is overcommit/);
    expect(() => setPatch(managed, [])).toThrow(/an option is missing/);
    expect(() => setPatch(managed, ['overcommit'])).toThrow(/must be NAME=VALUE/);
  });
});

it('a pool is shown in a line, and with all that is known of it', () => {
  expect(poolTable([managed, external])).toMatchSnapshot();
  expect(describePool(managed)).toMatch(/Message: +brick 1 \(n2:\/srv\/kayal\): gone/);
});

it('completion is there for bash and zsh', () => {
  expect(completionFor('bash')).toContain('complete -F _kubectl_kayal kubectl-kayal');
  expect(completionFor('zsh')).toContain('bashcompinit');
  expect(completionFor('fish')).toBeUndefined();
});
