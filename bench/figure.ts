import { median, spreadOf, type Spread } from './sample.js';

/** What a figure is held to. `most` and `least` are in the figure's unit, `times` a factor on the floor. */
export type Bar =
  | { readonly kind: 'at most'; readonly times: number; readonly plus?: number }
  | { readonly kind: 'at least'; readonly times: number }
  | { readonly kind: 'below'; readonly most: number };

export type Unit = 'ms' | 'per s' | 's' | 'MiB' | 'MB/s';

/** One round: what was measured, and the floor that was measured beside it. */
export interface Pair {
  readonly value: number;
  readonly floor: number;
}

/** One line of the table. */
export interface Figure {
  readonly measure: string;
  /** Empty for what has nothing to do with a pool. */
  readonly pool: string;
  /** `kayal`, or the name of a peer. */
  readonly subject: string;
  readonly what: string;
  /** What the floor did. */
  readonly against: string;
  readonly unit: Unit;
  /** The medians of all rounds; good for this machine on that day only. */
  readonly value: number;
  readonly floor: number;
  /** Of the rounds: value ÷ floor. */
  readonly ratio: Spread;
  readonly rounds: number;
  readonly bar?: Bar | undefined;
  readonly isMet?: boolean | undefined;
}

export type FigureName = Pick<Figure, 'measure' | 'pool' | 'subject' | 'what' | 'against' | 'unit'>;

/** How far one round is beyond the bar, in the figure's unit; 0 or less: it is not. */
function excess(bar: Bar, { value, floor }: Pair): number {
  switch (bar.kind) {
    case 'at most':
      return value - (bar.times * floor + (bar.plus ?? 0));
    case 'at least':
      return bar.times * floor - value;
    case 'below':
      return value - bar.most;
  }
}

/** True when the median round is not beyond the bar. */
export function isMet(bar: Bar, pairs: readonly Pair[]): boolean {
  return median(pairs.map((pair) => excess(bar, pair))) <= 0;
}

/** @throws RangeError for no rounds */
export function figureOf(name: FigureName, pairs: readonly Pair[], bar?: Bar): Figure {
  return {
    ...name,
    value: median(pairs.map(({ value }) => value)),
    floor: median(pairs.map(({ floor }) => floor)),
    ratio: spreadOf(pairs.map(({ value, floor }) => value / floor)),
    rounds: pairs.length,
    // Bars are Kayal's own.
    ...(bar === undefined || name.subject !== 'kayal' ? {} : { bar, isMet: isMet(bar, pairs) }),
  };
}

export function describeBar(bar: Bar, unit: Unit): string {
  switch (bar.kind) {
    case 'at most':
      return `≤ ${bar.times} × floor${bar.plus === undefined ? '' : ` + ${bar.plus} ${unit}`}`;
    case 'at least':
      return `≥ ${bar.times} × floor`;
    case 'below':
      return `≤ ${bar.most} ${unit}`;
  }
}

/** Tells a figure from all others of a run. */
export function keyOf({ measure, pool, subject, what, against }: FigureName): string {
  return [measure, pool, subject, what, against].join(' | ');
}
