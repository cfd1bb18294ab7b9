import type { VolumeRecord } from '../records/record.js';

/** What a hybrid volume does when the node that writes it is lost (docs/hybrid.md). */
export type OnNodeLoss = 'wait' | 'takeover';

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };
const [SHORTEST, LONGEST] = [1_000, 3_600_000];

export const SYNC_INTERVAL = {
  values: 'a time from 1s to 1h, such as 10s, 5m or 1h',
  /** @returns milliseconds */
  parse: (value: string): number | undefined => {
    const match = /^([1-9]\d{0,3})([smh])$/.exec(value);
    const ms = Number(match?.[1]) * (UNITS[match?.[2] ?? ''] ?? 0);
    return ms >= SHORTEST && ms <= LONGEST ? ms : undefined;
  },
};

export const ON_NODE_LOSS = {
  values: 'wait or takeover',
  parse: (value: string): OnNodeLoss | undefined => (value === 'wait' || value === 'takeover' ? value : undefined),
};

const DEFAULT_INTERVAL = 10_000;

/** What a hybrid volume was made with. */
export function hybridSettingsOf({ parameters }: Pick<VolumeRecord, 'parameters'>): {
  readonly syncIntervalMs: number;
  readonly onNodeLoss: OnNodeLoss;
} {
  return {
    syncIntervalMs: SYNC_INTERVAL.parse(parameters['syncInterval'] ?? '') ?? DEFAULT_INTERVAL,
    onNodeLoss: ON_NODE_LOSS.parse(parameters['onNodeLoss'] ?? '') ?? 'wait',
  };
}
