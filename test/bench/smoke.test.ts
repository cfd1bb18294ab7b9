import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Figure } from '../../bench/figure.js';
import { SMOKE } from '../../bench/plan.js';
import { formatTables } from '../../bench/report/table.js';
import { MEASURES, run } from '../../bench/run.js';
import { Driver, driverPaths } from '../lib/driver.js';
import { directoryPool } from '../lib/pool-configs.js';

/** Three bricks take longer than one, and no other code of the benchmark. */
const POOLS = ['directory', 'replica1'] as const;

/** That the benchmark works, on as little as possible: how long anything took says nothing here. */
describe('the benchmark', () => {
  let figures: readonly Figure[];
  let lines: string[];

  beforeAll(async () => {
    lines = [];
    const directory = await mkdtemp(join(tmpdir(), 'b-'));
    const say = (text: string): void => void lines.push(text);
    figures = await run({ plan: SMOKE, directory, only: [], pools: POOLS, peers: [], say });
  }, 600_000);

  it('measures every row, on every pool that it is for', () => {
    const found = MEASURES.map(({ name }) => ({
      name,
      pools: [...new Set(figures.filter(({ measure }) => measure === name).map(({ pool }) => pool))].join(' '),
    }));
    expect(found).toEqual([
      ...['create', 'publish', 'purge', 'data'].map((name) => ({ name, pools: 'directory replica1' })),
      { name: 'probe', pools: '' },
      { name: 'memory', pools: '' },
      { name: 'copies', pools: 'replica1' },
      { name: 'scale', pools: 'directory replica1' },
    ]);
    for (const { name } of MEASURES) expect(figures.map(({ measure }) => measure)).toContain(name);
  });

  it('has a number for everything, and a line', () => {
    const numbers = ({ value, floor, ratio }: Figure): readonly number[] => [value, floor, ...Object.values(ratio)];
    const odd = figures.filter((figure) => !numbers(figure).every((value) => Number.isFinite(value) && value > 0));
    expect(odd).toEqual([]);
    expect(lines.length).toBeGreaterThanOrEqual(figures.length);
    expect(formatTables(MEASURES, figures).match(/^### /gm)).toHaveLength(MEASURES.length);
  });
});

it('measures any CSI socket beside Kayal', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'p-'));
  const tree = await mkdtemp(join(tmpdir(), 't-'));
  const pool = { ...directoryPool('other', tree), requireMount: false };
  const peer = await Driver.start({ directory, pools: [pool], installation: 'other' });
  try {
    const peers = [{ name: 'other', socket: driverPaths(directory).socket, parameters: { pool: 'other' } }];
    const own = await mkdtemp(join(tmpdir(), 'b-'));
    const only = ['create', 'publish'];
    const found = await run({ plan: SMOKE, directory: own, only, pools: ['directory'], peers, say: () => undefined });
    const of = (name: string): readonly string[] =>
      found.filter(({ subject }) => subject === name).map(({ what, against }) => `${what} / ${against}`);
    expect(of('other')).toEqual(of('kayal'));
    expect(found.filter(({ subject, bar }) => subject === 'other' && bar !== undefined)).toEqual([]);
  } finally {
    await peer.stop();
  }
}, 240_000);
