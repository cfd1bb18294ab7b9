import { keyOf, type Figure } from '../figure.js';

const MOST_WORSE = 1.3;

/** True for figures of which more is better. */
function isRate({ unit }: Figure): boolean {
  return unit === 'per s' || unit === 'MB/s';
}

/** How many times worse a ratio is than it was; below 1: better. */
export function timesWorse(now: Figure, before: Figure): number {
  const [a, b] = isRate(now) ? [before, now] : [now, before];
  return a.ratio.median / b.ratio.median;
}

/** One line for each ratio that is more than 30 % worse than in the baseline. Percentiles of few calls are no ratio to go by. */
export function regressions(figures: readonly Figure[], baseline: readonly Figure[]): readonly string[] {
  const known = new Map(baseline.map((figure) => [keyOf(figure), figure]));
  return figures.flatMap((figure) => {
    const before = known.get(keyOf(figure));
    if (before === undefined || figure.what.includes('p99')) return [];
    const worse = timesWorse(figure, before);
    if (!(worse > MOST_WORSE)) return [];
    const now = figure.ratio.median.toFixed(2);
    return [`${keyOf(figure)}: ${now} × the floor, ${before.ratio.median.toFixed(2)} × in the baseline`];
  });
}
