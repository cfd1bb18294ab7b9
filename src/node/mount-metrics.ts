import { Gauge, type Registry } from 'prom-client';
import type { PoolMounts } from '../pools/mounts.js';

/** Whether each pool is attached on this node. */
export function registerMountMetrics(registry: Registry, pools: PoolMounts, names: () => readonly string[]): void {
  const mounted = new Gauge({
    name: 'kayal_client_mount_up',
    help: '1 while the pool is attached on this node, 0 when it failed; absent while nobody needs it.',
    labelNames: ['pool'],
    registers: [registry],
    collect: () => {
      mounted.reset();
      for (const pool of names()) {
        const { state } = pools.state(pool);
        if (state !== 'absent') mounted.set({ pool }, state === 'mounted' ? 1 : 0);
      }
    },
  });
}
