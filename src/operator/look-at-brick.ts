import { BRICK_METRICS_PORT } from './names.js';

/** What a brick's pod says of itself; what it does not say is undefined. */
export interface BrickFigures {
  /** Why it is not ready. */
  readonly problem?: string | undefined;
  readonly pendingHeals?: number | undefined;
  readonly sizeBytes?: number | undefined;
  readonly usedBytes?: number | undefined;
}

const TIMEOUT_MS = 3_000;

/** The value of a line of Prometheus' text format. @param label one that the line has, as it is written */
export function metricIn(text: string, name: string, label = ''): number | undefined {
  const line = text.split('\n').find((one) => one.startsWith(`${name}{`) && one.includes(label));
  const value = line === undefined ? Number.NaN : Number(line.slice(line.lastIndexOf(' ')));
  return Number.isFinite(value) ? value : undefined;
}

async function get(url: string): Promise<Response | undefined> {
  // A pod that is away is what is to be told of, by those who ask.
  return fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) }).catch(() => undefined);
}

/** Asks a brick's pod how it is. @param podAddress as its status has it */
export async function lookAtBrick(podAddress: string): Promise<BrickFigures> {
  const base = `http://${podAddress.includes(':') ? `[${podAddress}]` : podAddress}:${BRICK_METRICS_PORT}`;
  const [ready, metrics] = await Promise.all([get(`${base}/readyz`), get(`${base}/metrics`)]);
  const problem = ready?.status === 503 ? (await ready.text().catch(() => '')).trim() : undefined;
  const text = (await metrics?.text().catch(() => '')) ?? '';
  return {
    problem,
    pendingHeals: metricIn(text, 'kayal_brick_pending_heals'),
    sizeBytes: metricIn(text, 'kayal_brick_bytes', 'kind="size"'),
    usedBytes: metricIn(text, 'kayal_brick_bytes', 'kind="used"'),
  };
}
