import { describe, expect, it } from 'vitest';
import { BenchUsageError, parseOptions } from './options.js';

const MEASURES = ['create', 'publish'];
const parse = (...args: readonly string[]) => parseOptions(args, MEASURES);

describe('parseOptions', () => {
  it('measures everything by default', () => {
    expect(parse()).toEqual({
      quick: false,
      only: [],
      pools: ['directory', 'replica1', 'replica3'],
      peers: [],
      rounds: undefined,
      out: 'docs/benchmarks',
      saveBaseline: false,
    });
  });

  it('takes several of a kind', () => {
    const { only, pools, rounds } = parse(
      '--only',
      'create',
      '--only',
      'publish',
      '--pool',
      'replica1',
      '--rounds',
      '7',
    );
    expect({ only, pools, rounds }).toEqual({ only: ['create', 'publish'], pools: ['replica1'], rounds: 7 });
  });

  it('takes peers with the parameters of their StorageClass', () => {
    const { peers } = parse(
      '--peer',
      'nfs=unix:///run/nfs.sock',
      '--peer',
      'x=/run/x.sock',
      '--peer-parameter',
      'nfs:share=/a=b',
    );
    expect(peers).toEqual([
      { name: 'nfs', socket: '/run/nfs.sock', parameters: { share: '/a=b' } },
      { name: 'x', socket: '/run/x.sock', parameters: {} },
    ]);
  });

  it.each([
    { args: ['--only', 'nothing'], message: /there is no nothing, only create, publish/ },
    { args: ['--pool', 'replica2'], message: /there is no replica2/ },
    { args: ['--peer', 'nosocket'], message: /"nosocket" is not of that form/ },
    { args: ['--peer', 'kayal=/run/x.sock'], message: /take another name/ },
    { args: ['--peer-parameter', 'nfs:a=b'], message: /there is no --peer nfs/ },
    { args: ['--rounds', '0'], message: /not a number from 1 to 999/ },
    { args: ['--fast'], message: /--fast/ },
    { args: ['create'], message: /create/ },
  ])('refuses $args', ({ args, message }) => {
    expect(() => parse(...args)).toThrow(BenchUsageError);
    expect(() => parse(...args)).toThrow(message);
  });
});
