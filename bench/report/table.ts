import { format } from 'prettier';
import { describeBar, type Figure } from '../figure.js';
import type { Spread } from '../sample.js';

const BEGIN = '<!-- figures: written by npm run bench -->';
const END = '<!-- end of figures -->';

const times = (ratio: number): string => (ratio >= 10 ? ratio.toFixed(0) : ratio.toFixed(2));

function ratioText({ min, median, max }: Spread, rounds: number): string {
  return rounds === 1 ? `**${times(median)}**` : `**${times(median)}** (${times(min)}–${times(max)})`;
}

function verdict({ bar, unit, isMet }: Figure): string {
  if (bar === undefined) return '';
  return `${describeBar(bar, unit)}: ${isMet === true ? 'met' : '**missed**'}`;
}

/** A Markdown table of one measure's figures: ratios alone. */
function tableOf(figures: readonly Figure[]): string {
  const hasPeers = figures.some(({ subject }) => subject !== 'kayal');
  const head = ['pool', ...(hasPeers ? ['driver'] : []), 'what', 'floor', 'times the floor', 'bar'];
  const rows = figures.map((figure) => [
    figure.pool === '' ? '–' : figure.pool,
    ...(hasPeers ? [figure.subject] : []),
    figure.what,
    figure.against,
    ratioText(figure.ratio, figure.rounds),
    verdict(figure),
  ]);
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

export interface TitledMeasure {
  readonly name: string;
  readonly title: string;
}

/** All tables, each with its plot. */
export function formatTables(measures: readonly TitledMeasure[], figures: readonly Figure[]): string {
  return measures
    .flatMap(({ name, title }) => {
      const own = figures.filter(({ measure }) => measure === name);
      if (own.length === 0) return [];
      return [`### ${title}\n\n![ratios](${name}.svg)\n\n${tableOf(own)}`];
    })
    .join('\n\n');
}

/**
 * A page with new tables between its two marks.
 * @throws Error when the page has no marks
 */
export async function replaceTables(page: string, tables: string): Promise<string> {
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`the page lacks the lines ${BEGIN} and ${END}`);
  const text = `${page.slice(0, from)}${BEGIN}\n\n${tables}\n\n${page.slice(to)}`;
  return format(text, { parser: 'markdown', printWidth: 120, singleQuote: true });
}

/** A page that has nothing but tables. */
export const EMPTY_PAGE = `# Benchmarks\n\n${BEGIN}\n${END}\n`;

/** One figure for the terminal, with its absolute values. */
export function describe(figure: Figure): string {
  const { measure, pool, subject, what, against, unit, value, floor, ratio, bar, isMet } = figure;
  const who = [measure, pool, subject === 'kayal' ? '' : subject].filter((word) => word !== '').join(' ');
  const met = bar === undefined ? '' : ` [${describeBar(bar, unit)}: ${isMet === true ? 'met' : 'MISSED'}]`;
  const spread = `${times(ratio.median)} × (${times(ratio.min)} to ${times(ratio.max)})`;
  return `${who}: ${what}: ${spread} ${against}; ${value.toPrecision(3)} and ${floor.toPrecision(3)} ${unit}${met}`;
}
