export const KiB = 1024n;
export const MiB = 1024n * KiB;
export const GiB = 1024n * MiB;
export const TiB = 1024n * GiB;

const UNITS: readonly (readonly [bigint, string])[] = [
  [TiB, 'TiB'],
  [GiB, 'GiB'],
  [MiB, 'MiB'],
  [KiB, 'KiB'],
];

/** Bytes for people: exact in the largest unit that divides it, else with one decimal ("64 MiB", "1.5 GiB", "17 B"). */
export function formatBytes(bytes: bigint): string {
  for (const [unit, name] of UNITS) {
    if (bytes < unit) continue;
    if (bytes % unit === 0n) return `${bytes / unit} ${name}`;
    return `${(Number(bytes) / Number(unit)).toFixed(1)} ${name}`;
  }
  return `${bytes} B`;
}

/** The smaller of two byte counts. */
export function minBytes(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

/** The larger of two byte counts. */
export function maxBytes(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
