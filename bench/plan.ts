import type { PoolName } from './stage/pools.js';

/** How much is measured. */
export interface Plan {
  /** Rounds of each measure: floor and subject, one after the other. */
  readonly rounds: number;
  /** Volumes made one after the other, and with many calls in flight, per round. */
  readonly volumes: number;
  readonly volumesInFlight: number;
  /** Mounts per round. */
  readonly publishes: number;
  /** Probes per round and number in flight. */
  readonly probes: number;
  /** Files in a volume that is deleted, by pool. */
  readonly files: Readonly<Record<PoolName, number>>;
  /** Calls whose median or p99 is compared, where nothing else says how many. */
  readonly calls: number;
  readonly soakCalls: number;
  /** Before memory is looked at: threads without work end after 30 s (src/linux/io-workers.ts). In ms. */
  readonly idleMs: number;
  /** Volumes in the pool whose driver's memory is measured. */
  readonly memoryVolumes: number;
  /** Volumes in a pool that is opened, by pool. */
  readonly scale: { readonly directory: readonly number[]; readonly managed: readonly number[] };
  /** Of the file that is copied. */
  readonly copyMiB: number;
  readonly smallFiles: number;
  /** Rounds of fio, each on both sides in turn: a difference of 2 % is not much. */
  readonly fioRounds: number;
  /** Of each fio run. */
  readonly fioSeconds: number;
}

export const FULL: Plan = {
  rounds: 5,
  volumes: 60,
  volumesInFlight: 192,
  publishes: 60,
  probes: 3_000,
  files: { directory: 100_000, replica1: 10_000, replica3: 5_000 },
  calls: 60,
  soakCalls: 10_000,
  idleMs: 35_000,
  memoryVolumes: 10_000,
  scale: { directory: [1_000, 10_000, 100_000], managed: [1_000, 10_000] },
  copyMiB: 1024,
  smallFiles: 10_000,
  fioRounds: 8,
  fioSeconds: 6,
};

export const QUICK: Plan = {
  rounds: 3,
  volumes: 20,
  volumesInFlight: 64,
  publishes: 20,
  probes: 600,
  files: { directory: 10_000, replica1: 2_000, replica3: 1_000 },
  calls: 40,
  soakCalls: 2_000,
  idleMs: 35_000,
  memoryVolumes: 1_000,
  scale: { directory: [1_000, 10_000], managed: [1_000] },
  copyMiB: 256,
  smallFiles: 1_000,
  fioRounds: 4,
  fioSeconds: 2,
};

/** So little that it takes a minute in all: shows that everything works, and measures nothing. */
export const SMOKE: Plan = {
  rounds: 1,
  volumes: 2,
  volumesInFlight: 4,
  publishes: 2,
  probes: 40,
  files: { directory: 40, replica1: 40, replica3: 40 },
  calls: 2,
  soakCalls: 20,
  idleMs: 100,
  memoryVolumes: 10,
  scale: { directory: [5, 10], managed: [5] },
  copyMiB: 4,
  smallFiles: 20,
  fioRounds: 1,
  fioSeconds: 1,
};
