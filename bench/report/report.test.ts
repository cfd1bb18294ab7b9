import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { figureOf, type Bar, type Figure, type FigureName } from '../figure.js';
import { regressions } from './baseline.js';
import { plotRatios } from './plot.js';
import { mergeFigures, readResults } from './results.js';
import { replaceTables } from './table.js';
import { writeReport } from './write.js';

const MEASURES = [
  { name: 'create', title: 'CreateVolume' },
  { name: 'data', title: 'Data' },
];

function figure(value: number, name: Partial<FigureName> = {}, bar?: Bar): Figure {
  const full = {
    measure: 'create',
    pool: 'directory',
    subject: 'kayal',
    what: 'p50',
    against: 'mkdir',
    unit: 'ms',
    ...name,
  };
  return figureOf(full as FigureName, [{ value, floor: 10 }], bar);
}

describe('regressions', () => {
  it('names ratios that are 30 % worse, in whichever direction worse is', () => {
    const baseline = [figure(10), figure(10, { measure: 'data', unit: 'per s' })];
    expect(regressions([figure(12.9), figure(7.8, { measure: 'data', unit: 'per s' })], baseline)).toEqual([]);
    expect(regressions([figure(13.1)], baseline)).toEqual([
      'create | directory | kayal | p50 | mkdir: 1.31 × the floor, 1.00 × in the baseline',
    ]);
    expect(regressions([figure(7.6, { measure: 'data', unit: 'per s' })], baseline)).toHaveLength(1);
  });

  it('says nothing of what is new, nor of a p99', () => {
    expect(regressions([figure(99, { what: 'other' })], [figure(1)])).toEqual([]);
    expect(regressions([figure(99, { what: 'p99' })], [figure(1, { what: 'p99' })])).toEqual([]);
  });
});

it('a run replaces what it measured, and only that', () => {
  const earlier = [figure(1), figure(2, { what: 'gone' }), figure(3, { pool: 'replica1' })];
  expect(mergeFigures(earlier, [figure(9)])).toEqual([figure(3, { pool: 'replica1' }), figure(9)]);
});

it('a plot is one SVG whose texts are text', () => {
  const svg = plotRatios('a < b', [figure(5, { what: '<script>' }, { kind: 'at most', times: 1 }), figure(2000)]);
  expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
  expect(svg.trimEnd()).toMatch(/<\/svg>$/);
  expect(svg).not.toContain('<script>');
  expect(svg.match(/<circle/g)).toHaveLength(2);
  expect(svg).not.toContain('NaN');
});

it('a page without the marks is not overwritten', async () => {
  await expect(replaceTables('# Mine\n', 'tables')).rejects.toThrow(/lacks the lines/);
});

describe('writeReport', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'report-'));
  });

  afterEach(async () => {
    await rm(directory, { recursive: true });
  });

  const write = (figures: readonly Figure[], saveBaseline = false): Promise<void> =>
    writeReport({ directory, measures: MEASURES, figures, saveBaseline });

  it('writes results, tables and plots, and keeps what an earlier run measured', async () => {
    const bar: Bar = { kind: 'at most', times: 1.3, plus: 1 };
    await write([figure(20, { measure: 'data' })]);
    await write([figure(12.5, {}, bar)], true);
    expect((await readdir(directory)).toSorted()).toEqual([
      'README.md',
      'baseline.json',
      'create.svg',
      'data.svg',
      'results.json',
    ]);
    const page = await readFile(join(directory, 'README.md'), 'utf8');
    expect(page).toMatch(
      /### CreateVolume[^]*\*\*1\.25\*\*[^]*≤ 1\.3 × floor \+ 1 ms: met[^]*### Data[^]*\*\*2\.00\*\*/,
    );
    const { figures } = (await readResults(join(directory, 'baseline.json'))) ?? {};
    expect(figures).toEqual([figure(12.5, {}, bar), figure(20, { measure: 'data' })]);
  });

  it('shows a column for drivers where there are peers', async () => {
    await write([figure(10), figure(30, { subject: 'nfs' })]);
    expect(await readFile(join(directory, 'README.md'), 'utf8')).toMatch(/\| driver +\|[^]*\| nfs /);
  });
});
