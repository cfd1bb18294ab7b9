import { parseVolfile } from './parse.js';

/** What a brick's features/quota is told, as far as it decides how exact a limit is. */
export interface QuotaSettings {
  /** `features.quota-deem-statfs`: whether statfs of a limited directory reports its limit. */
  readonly deemStatfs: boolean;
  /** Seconds for which the brick trusts a usage below the soft limit. */
  readonly softTimeout: number;
  /** Seconds for which the brick trusts a usage above the soft limit. */
  readonly hardTimeout: number;
}

/** Defaults of features/quota (quota.c), which glusterd does not write out; deem-statfs is on by default. */
const DEFAULT_SOFT_SECONDS = 60;
const DEFAULT_HARD_SECONDS = 5;

const UNIT_SECONDS: Readonly<Record<string, number>> = {
  s: 1,
  sec: 1,
  m: 60,
  min: 60,
  h: 3600,
  hr: 3600,
  d: 86_400,
  days: 86_400,
  w: 604_800,
  wk: 604_800,
};

/** GF_OPTION_TYPE_TIME: a number of seconds, or one with a unit (gf_string2time). */
function seconds(text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  const parts = [...text.matchAll(/(\d+)\s*([a-z]*)/gi)];
  if (parts.length === 0) return fallback;
  return parts.reduce(
    (sum, [, number = '0', unit = '']) => sum + Number(number) * (UNIT_SECONDS[unit.toLowerCase()] ?? 1),
    0,
  );
}

function isOn(text: string | undefined): boolean {
  return text !== undefined && ['on', 'yes', 'true', 'enable', '1'].includes(text.toLowerCase());
}

/** How the brick with this volfile keeps limits; undefined when it keeps none (quota is not enabled on the volume). */
export function quotaSettings(volfile: string): QuotaSettings | undefined {
  const quota = parseVolfile(volfile).find(({ type }) => type === 'features/quota');
  if (quota === undefined || !isOn(quota.options['server-quota'])) return undefined;
  return {
    deemStatfs: isOn(quota.options['deem-statfs'] ?? 'on'),
    softTimeout: seconds(quota.options['soft-timeout'], DEFAULT_SOFT_SECONDS),
    hardTimeout: seconds(quota.options['hard-timeout'], DEFAULT_HARD_SECONDS),
  };
}

/** A brick of a volume, as its client volfile names it. */
export interface VolumeBrick {
  readonly host: string;
  readonly path: string;
}

/** The bricks that a client volfile connects to, in their order. */
export function bricksOf(volfile: string): VolumeBrick[] {
  return parseVolfile(volfile).flatMap(({ type, options }) => {
    const host = options['remote-host'];
    const path = options['remote-subvolume'];
    return type === 'protocol/client' && host !== undefined && path !== undefined ? [{ host, path }] : [];
  });
}
