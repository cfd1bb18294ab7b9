import { Gauge, type Registry } from 'prom-client';
import type { BrickKeeper } from './brick-keeper.js';

/** Figures of the brick that this process runs; what cannot be known now is left out. */
export function registerBrickMetrics(registry: Registry, index: number, keeper: BrickKeeper): void {
  const registers = [registry];
  const labelNames = ['pool', 'brick'];
  const brick = String(index);
  const up = new Gauge({
    name: 'kayal_brick_up',
    help: '1 while the brick accepts connections.',
    labelNames,
    registers,
    collect: () => {
      const { pool } = keeper;
      if (pool !== undefined) up.set({ pool, brick }, keeper.problem() === undefined ? 1 : 0);
    },
  });
  const heals = new Gauge({
    name: 'kayal_brick_pending_heals',
    help: 'Entries of the brick that other bricks of its group lack.',
    labelNames,
    registers,
    collect: async () => {
      heals.reset();
      const { pool, server } = keeper;
      const count = await server?.pendingHeals().catch(() => undefined);
      if (pool !== undefined && count !== undefined) heals.set({ pool, brick }, count);
    },
  });
  const bytes = new Gauge({
    name: 'kayal_brick_bytes',
    help: 'Bytes of the filesystem that the brick is on: size, used.',
    labelNames: [...labelNames, 'kind'],
    registers,
    collect: async () => {
      bytes.reset();
      const { pool, server } = keeper;
      const usage = await server?.usage().catch(() => undefined);
      if (pool === undefined || usage === undefined) return;
      bytes.set({ pool, brick, kind: 'size' }, Number(usage.total));
      bytes.set({ pool, brick, kind: 'used' }, Number(usage.total - usage.free));
    },
  });
}
