import type { Figure } from '../figure.js';

const WIDTH = 960;
const LABELS = 440;
const ROW = 22;
const TOP = 54;
const RIGHT = 30;
const TICKS: readonly number[] = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

const COLOURS = { met: '#1a7f37', missed: '#cf222e', none: '#57606a' } as const;

function colourOf({ isMet }: Figure): string {
  if (isMet === undefined) return COLOURS.none;
  return isMet ? COLOURS.met : COLOURS.missed;
}

/** The ticks around all ratios; the scale is logarithmic. */
function rangeOf(figures: readonly Figure[]): { readonly low: number; readonly high: number } {
  const least = Math.min(1, ...figures.map(({ ratio }) => ratio.min));
  const most = Math.max(1, ...figures.map(({ ratio }) => ratio.max));
  const low = TICKS.findLast((tick) => tick < least) ?? TICKS[0] ?? 0.01;
  const high = TICKS.find((tick) => tick > most) ?? TICKS.at(-1) ?? 1000;
  return { low, high };
}

function labelOf({ pool, subject, what, against }: Figure): string {
  const who = [pool, subject === 'kayal' ? '' : subject].filter((word) => word !== '').join(', ');
  return `${who === '' ? '' : `${who}: `}${what} / ${against}`;
}

/** A plot of ratios: a dot for the median, a line from the least to the greatest, a mark for what the bar allows. */
export function plotRatios(title: string, figures: readonly Figure[]): string {
  const { low, high } = rangeOf(figures);
  const height = TOP + figures.length * ROW + 34;
  const x = (ratio: number): number => {
    const share = Math.log(Math.min(Math.max(ratio, low), high) / low) / Math.log(high / low);
    return Math.round((LABELS + share * (WIDTH - LABELS - RIGHT)) * 10) / 10;
  };
  const bottom = TOP + figures.length * ROW;
  const grid = TICKS.filter((tick) => tick >= low && tick <= high).map(
    (tick) =>
      `<line x1="${x(tick)}" y1="${TOP - 8}" x2="${x(tick)}" y2="${bottom}" stroke="${tick === 1 ? '#1f2328' : '#d0d7de'}"/>` +
      `<text x="${x(tick)}" y="${bottom + 16}" text-anchor="middle">${tick} ×</text>`,
  );
  const rows = figures.map((figure, index) => {
    const y = TOP + index * ROW + ROW / 2;
    const { ratio, bar } = figure;
    const mark =
      bar === undefined || bar.kind === 'below'
        ? ''
        : `<line x1="${x(bar.times)}" y1="${y - 8}" x2="${x(bar.times)}" y2="${y + 8}" stroke="#0969da" stroke-width="2"/>`;
    return (
      `<text x="${LABELS - 10}" y="${y + 4}" text-anchor="end">${escaped(labelOf(figure))}</text>${mark}` +
      `<line x1="${x(ratio.min)}" y1="${y}" x2="${x(ratio.max)}" y2="${y}" stroke="${colourOf(figure)}" stroke-width="2"/>` +
      `<circle cx="${x(ratio.median)}" cy="${y}" r="4" fill="${colourOf(figure)}"><title>${ratio.median.toFixed(2)}</title></circle>`
    );
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="11" fill="#1f2328">`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    `<text x="12" y="22" font-size="15" font-weight="bold">${escaped(title)}</text>`,
    `<text x="12" y="38" fill="#57606a">times the floor; green: bar met, red: missed, grey: no bar; blue mark: the bar's factor (ms on top of it are not shown)</text>`,
    ...grid,
    ...rows,
    '</svg>',
    '',
  ].join('\n');
}
