import { Gauge, type Registry } from 'prom-client';
import type { ControlledPool } from '../volumes/service/controlled-pool.js';

/** Figures of each pool, read from memory when Prometheus asks. */
export function registerPoolMetrics(registry: Registry, pools: () => ReadonlyMap<string, ControlledPool>): void {
  const registers = [registry];
  const labelNames = ['pool'];
  const open = new Gauge({
    name: 'kayal_pool_open',
    help: '1 while this controller manages the pool.',
    labelNames,
    registers,
    // The first metric is asked first: it fills all of them.
    collect: () => {
      for (const metric of [open, volumes, trash, bytes]) metric.reset();
      for (const [name, pool] of pools()) {
        const session = pool.current();
        open.set({ pool: name }, session === undefined ? 0 : 1);
        const catalog = pool.seenCatalog();
        if (catalog === undefined) continue;
        volumes.set({ pool: name }, catalog.volumeCount);
        trash.set({ pool: name }, catalog.trashCount);
        if (session === undefined) continue;
        for (const [kind, value] of Object.entries(session.capacity.current()))
          bytes.set({ pool: name, kind }, Number(value));
      }
    },
  });
  const volumes = new Gauge({ name: 'kayal_pool_volumes', help: 'Volumes with a record.', labelNames, registers });
  const trash = new Gauge({
    name: 'kayal_pool_trash_entries',
    help: 'Deleted volumes that wait to be purged.',
    labelNames,
    registers,
  });
  const bytes = new Gauge({
    name: 'kayal_pool_bytes',
    help: 'Bytes of the pool: size, used, promised to volumes and trash, available to promise.',
    labelNames: ['pool', 'kind'],
    registers,
  });
}
