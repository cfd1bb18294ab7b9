/** What one run of many calls took. */
export interface Sample {
  /** Of each call, in ms. */
  readonly times: readonly number[];
  /** From the first call to the end of the last one. */
  readonly seconds: number;
}

export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/**
 * What this share of the values does not exceed, by the nearest-rank method.
 * @throws RangeError for no values
 */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
  if (value === undefined) throw new RangeError('there is nothing to take a quantile of');
  return value;
}

/** @throws RangeError for no values */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[sorted.length >> 1];
  const lower = sorted[(sorted.length - 1) >> 1];
  if (upper === undefined || lower === undefined) throw new RangeError('there is nothing to take a median of');
  return (lower + upper) / 2;
}

/** @throws RangeError for no values */
export function spreadOf(values: readonly number[]): Spread {
  return { min: Math.min(...values), median: median(values), max: Math.max(...values) };
}

export const p50 = ({ times }: Sample): number => quantile(times, 0.5);
export const p99 = ({ times }: Sample): number => quantile(times, 0.99);
/** Calls per second. */
export const rate = ({ times, seconds }: Sample): number => times.length / seconds;
