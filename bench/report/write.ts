import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../../src/base/errors.js';
import type { Figure } from '../figure.js';
import { describeMachine } from './machine.js';
import { plotRatios } from './plot.js';
import { mergeFigures, readResults, writeResults } from './results.js';
import { EMPTY_PAGE, formatTables, replaceTables, type TitledMeasure } from './table.js';

export interface ReportOptions {
  /** Existing or not. */
  readonly directory: string;
  readonly measures: readonly TitledMeasure[];
  readonly figures: readonly Figure[];
  readonly saveBaseline: boolean;
}

/** The order of the measures, whichever was run last. */
function inOrder(measures: readonly TitledMeasure[], figures: readonly Figure[]): readonly Figure[] {
  const place = ({ measure }: Figure): number => measures.findIndex(({ name }) => name === measure);
  const pools = ['', 'directory', 'replica1', 'replica3'];
  return figures.toSorted((a, b) => place(a) - place(b) || pools.indexOf(a.pool) - pools.indexOf(b.pool));
}

async function pageOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return EMPTY_PAGE;
    throw error;
  }
}

/** Writes results.json, the tables in README.md and a plot for each measure; with `saveBaseline` also baseline.json. */
export async function writeReport({ directory, measures, figures, saveBaseline }: ReportOptions): Promise<void> {
  await mkdir(directory, { recursive: true });
  const file = join(directory, 'results.json');
  const earlier = await readResults(file);
  const all = inOrder(measures, mergeFigures(earlier?.figures ?? [], figures));
  const results = { machine: await describeMachine(), figures: all };
  await writeResults(file, results);
  if (saveBaseline) await writeResults(join(directory, 'baseline.json'), results);
  const page = join(directory, 'README.md');
  await writeFile(page, await replaceTables(await pageOf(page), formatTables(measures, all)));
  for (const { name, title } of measures) {
    const own = all.filter(({ measure }) => measure === name);
    if (own.length > 0) await writeFile(join(directory, `${name}.svg`), plotRatios(title, own));
  }
}
