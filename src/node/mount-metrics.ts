import { Gauge, type Registry } from 'prom-client';
import type { PoolMounts } from '../pools/mounts.js';

export interface MountMetricsOptions {
  readonly pools: PoolMounts;
  readonly names: () => readonly string[];
  readonly hangs: (pool: string) => boolean;
}

/** Whether each pool is attached on this node, and answers. */
export function registerMountMetrics(registry: Registry, { pools, names, hangs }: MountMetricsOptions): void {
  const mounted = new Gauge({
    name: 'kayal_client_mount_up',
    help: '1 while the pool is attached on this node, 0 when it failed or hangs; absent while nobody needs it.',
    labelNames: ['pool'],
    registers: [registry],
    collect: () => {
      mounted.reset();
      for (const pool of names()) {
        const { state } = pools.state(pool);
        if (state !== 'absent') mounted.set({ pool }, state === 'mounted' && !hangs(pool) ? 1 : 0);
      }
    },
  });
}
