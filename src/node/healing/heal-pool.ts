import type { KeyLock } from '../../base/key-lock.js';
import type { Logger } from '../../base/logger.js';
import { mountNamespaces, mountsOf } from '../../linux/mount-namespaces.js';
import { isClientMount } from '../../pools/mount-location.js';
import type { PoolMounts } from '../../pools/mounts.js';
import type { PoolConfig } from '../../pools/types.js';
import type { ClientRelease } from '../client-release.js';
import { healNamespaces, type HealResult } from './heal-namespaces.js';
import type { NestedMemory } from './nested-memory.js';

export interface HealPoolOptions {
  readonly pools: PoolMounts;
  readonly release: ClientRelease;
  readonly locks: KeyLock;
  readonly memory: NestedMemory;
  /** MOVE_MOUNT_BENEATH: Linux 6.5 and newer. */
  readonly atomic: boolean;
  readonly log: Logger;
}

export interface PoolHealResult extends HealResult {
  /** Nothing of the pool is dead any more. */
  readonly complete: boolean;
}

/** Those of the devices that a mount has, in any namespace that is visible. */
async function usedDevices(devices: ReadonlySet<string>, except?: string): Promise<Set<string>> {
  const used = new Set<string>();
  for (const namespace of await mountNamespaces()) {
    for (const entry of (await mountsOf(namespace)) ?? []) {
      if (isClientMount(entry) && devices.has(entry.dev) && entry.target !== except) used.add(entry.dev);
    }
  }
  return used;
}

/**
 * Replaces what the pool's former clients left dead.
 * @param onDead called before a new client is started for it
 * @returns undefined when nothing was dead and in use: then no client is started
 * @throws KayalError UNAVAILABLE when there is no new client
 */
export async function healPool(
  { pools, release, locks, memory, atomic, log }: HealPoolOptions,
  pool: PoolConfig,
  onDead: () => void,
): Promise<PoolHealResult | undefined> {
  const { name } = pool;
  const devices = new Set(await pools.deadDevices(name));
  if (devices.size === 0) return undefined;
  // The mount point itself is mended by whoever needs the pool next.
  const isInUse = async (): Promise<boolean> => (await usedDevices(devices, pools.mountPointOf(name))).size > 0;
  const forget = async (): Promise<void> => {
    const used = await usedDevices(devices);
    await pools.forgetDevices(
      name,
      [...devices].filter((dev) => !used.has(dev)),
    );
  };
  if (!(await isInUse())) {
    await forget();
    return undefined;
  }
  onDead();
  return release.use(name, async () => {
    const attachment = await pools.attach(pool);
    const result = await healNamespaces({ attachment, devices, memory, locks, atomic, log });
    // A container that was just being started may have copied a dead mount meanwhile.
    const complete = result.unhealed.length === 0 && !(result.healed > 0 && (await isInUse()));
    if (complete) await forget();
    return { ...result, complete };
  });
}
