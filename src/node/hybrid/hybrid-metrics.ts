import { Gauge, type Registry } from 'prom-client';
import type { HybridVolumes } from './hybrid-volumes.js';

const labelNames = ['pool', 'volume'] as const;

/** How far the pools are behind the copies on this node that pods write to. */
export function registerHybridMetrics(registry: Registry, hybrid: Pick<HybridVolumes, 'active'>): void {
  const synced = new Gauge({
    name: 'kayal_hybrid_state_timestamp_seconds',
    help: 'The moment that the newest state of a hybrid volume in its pool shows; absent while there is none.',
    labelNames,
    registers: [registry],
    collect: () => {
      synced.reset();
      for (const { copy } of hybrid.active) {
        if (copy.state === undefined) continue;
        synced.set({ pool: copy.pool, volume: copy.id }, Date.parse(copy.state.reaches) / 1_000);
      }
    },
  });
  const failing = new Gauge({
    name: 'kayal_hybrid_behind',
    help: '1 while what pods write to a hybrid volume on this node does not get into its pool, else 0.',
    labelNames,
    registers: [registry],
    collect: () => {
      failing.reset();
      for (const { copy, problem } of hybrid.active) {
        failing.set({ pool: copy.pool, volume: copy.id }, problem === undefined ? 0 : 1);
      }
    },
  });
  const behind = new Gauge({
    name: 'kayal_hybrid_behind_bytes',
    help: 'About how much was written to a hybrid volume on this node since its last sync.',
    labelNames,
    registers: [registry],
    collect: async () => {
      behind.reset();
      for (const active of hybrid.active) {
        const bytes = await active.behindBytes();
        if (bytes !== undefined) behind.set({ pool: active.copy.pool, volume: active.copy.id }, bytes);
      }
    },
  });
}
