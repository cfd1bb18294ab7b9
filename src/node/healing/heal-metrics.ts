import { Counter, Histogram, type Registry } from 'prom-client';

/** How an attempt went: everything is mended, some mounts are not, or there is no new client. */
export type HealOutcome = 'healed' | 'partly' | 'failed';

export interface HealMetrics {
  /** An attempt has ended, so long after the loss of the client. */
  ended(pool: string, outcome: HealOutcome, durationMs: number): void;
}

export function createHealMetrics(registry: Registry): HealMetrics {
  const heals = new Counter({
    name: 'kayal_client_heals_total',
    help: 'Attempts to replace the mounts of a GlusterFS client that ended, by how they went.',
    labelNames: ['pool', 'result'],
    registers: [registry],
  });
  const duration = new Histogram({
    name: 'kayal_client_heal_duration_seconds',
    help: 'Time from the end of a GlusterFS client to the end of the attempt that healed all its mounts.',
    labelNames: ['pool'],
    buckets: [0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800],
    registers: [registry],
  });
  return {
    ended: (pool, result, durationMs) => {
      heals.inc({ pool, result });
      if (result === 'healed') duration.observe({ pool }, durationMs / 1000);
    },
  };
}
