import { setTimeout as sleep } from 'node:timers/promises';
import type { Daemon } from './daemon.js';

/** rpc-clnt.c tries to connect again every three seconds: so long after its start a brick may still be without clients. */
const RECONNECT_MS = 4_000;
const HEAL_CHECK_MS = 1_000;
/** Healing may take days; what the new volfile brings should not. */
const MAX_HEAL_MS = 300_000;

export interface RenewOptions {
  /** Processes that run with an old volfile. */
  readonly outdated: readonly Daemon[];
  /** True for a process that others can stand in for while it restarts. */
  readonly isReplica: (daemon: Daemon) => boolean;
  readonly pendingHeals: () => Promise<number>;
  readonly stopped: () => boolean;
}

async function awaitHealed({ pendingHeals, stopped }: RenewOptions): Promise<void> {
  const deadline = performance.now() + MAX_HEAL_MS;
  await sleep(RECONNECT_MS, undefined, { ref: false });
  while (!stopped() && performance.now() < deadline && (await pendingHeals()) > 0) {
    await sleep(HEAL_CHECK_MS, undefined, { ref: false });
  }
}

/**
 * Restarts processes so that they take up their new volfile: replicas one after the other, each when what was written
 * without the one before it is healed, so that writers always find a majority that is up to date.
 */
export async function renewProcesses(options: RenewOptions): Promise<void> {
  const { outdated, isReplica, stopped } = options;
  let first = true;
  for (const daemon of outdated) {
    if (isReplica(daemon) && !first) await awaitHealed(options);
    if (stopped()) return;
    if (isReplica(daemon)) first = false;
    await daemon.restart();
  }
}
