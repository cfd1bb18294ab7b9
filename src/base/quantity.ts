/** Suffixes of a Kubernetes quantity (apimachinery, resource.Quantity) that make sense for bytes. */
const UNITS: Readonly<Record<string, bigint>> = {
  '': 1n,
  Ki: 1n << 10n,
  Mi: 1n << 20n,
  Gi: 1n << 30n,
  Ti: 1n << 40n,
  Pi: 1n << 50n,
  Ei: 1n << 60n,
  k: 10n ** 3n,
  M: 10n ** 6n,
  G: 10n ** 9n,
  T: 10n ** 12n,
  P: 10n ** 15n,
  E: 10n ** 18n,
};
/** csi.proto's byte counts are int64. */
const MAX_BYTES = (1n << 63n) - 1n;

/**
 * Bytes as Kubernetes writes them (`64Mi`, `1.5Gi`, `500M`, `1073741824`), rounded up to whole ones as Kubernetes does.
 * @returns undefined for what is no such quantity, or less than one byte, or more than an int64 holds
 */
export function parseQuantity(text: string): bigint | undefined {
  const match = /^(\d{1,19})(?:\.(\d{1,9}))?([KMGTPE]i|[kMGTPE])?$/.exec(text);
  const unit = UNITS[match?.[3] ?? ''];
  if (match?.[1] === undefined || unit === undefined) return undefined;
  const fraction = match[2] ?? '';
  const divisor = 10n ** BigInt(fraction.length);
  const bytes = (BigInt(match[1] + fraction) * unit + divisor - 1n) / divisor;
  return bytes > 0n && bytes <= MAX_BYTES ? bytes : undefined;
}
