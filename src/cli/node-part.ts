import { KeyLock } from '../base/key-lock.js';
import { readMountinfo } from '../linux/mountinfo.js';
import type { PoolVolfiles } from '../pools/gluster-attachment.js';
import { ClientRelease } from '../node/client-release.js';
import { registerMountMetrics } from '../node/mount-metrics.js';
import { HangWatch } from '../node/healing/hang-watch.js';
import { createHealMetrics } from '../node/healing/heal-metrics.js';
import { Healer } from '../node/healing/healer.js';
import { createNodeService } from '../node/service.js';
import { UseNotes } from '../node/use-notes.js';
import { isBeneath, isBindOfPool, rootOf } from '../pools/mount-location.js';
import { PoolMounts } from '../pools/mounts.js';
import { createHooks } from '../rpc/hooks.js';
import { serviceDefinition } from '../rpc/schema.js';
import { implement } from '../rpc/service.js';
import type { VolumeRecord } from '../volumes/records/record.js';
import { DRIVER_NAME } from '../base/version.js';
import type { Part } from './part.js';
import { statePath, type Runtime } from './runtime.js';

export interface NodePart extends Part {
  /** True when the volume is published on this machine. */
  readonly isPublished: (record: VolumeRecord) => Promise<boolean>;
  /** Names of the pools that have a published volume on this machine. */
  readonly publishedPools: () => Promise<ReadonlySet<string>>;
}

/** CSI Node with the client mounts, which lie below kubelet's directory so that they propagate. */
export function createNodePart(
  runtime: Runtime,
  options: {
    readonly managed: (pool: string) => Promise<PoolVolfiles>;
    /** Entries of a pool that wait to be healed; undefined where that cannot be known. */
    readonly pendingHeals: (pool: string) => Promise<number | undefined>;
  },
): NodePart {
  const { io, log, settings, registry } = runtime;
  const config = (): Runtime['config'] => runtime.config;
  const pools = new PoolMounts({
    io,
    log,
    directory: `${settings.kubeletDir}/plugins/${DRIVER_NAME}/pools`,
    control: false,
    nodeId: settings.nodeId,
    installation: runtime.config.installation,
    managed: options.managed,
    onLost: (pool) => healer.lost(pool),
  });
  const release = new ClientRelease({ pools, config, log });
  const locks = new KeyLock();
  const healer = new Healer({
    pools,
    release,
    config,
    locks,
    log,
    metrics: createHealMetrics(registry),
    memoryFile: statePath(runtime, 'nested-mounts.json'),
  });
  const names = (): string[] => config().pools.map(({ name: pool }) => pool);
  const hangs = new HangWatch({ pools, names, io, log });
  registerMountMetrics(registry, { pools, names, hangs: (pool) => hangs.hangsSince(pool) !== undefined });
  const name = 'csi.v1.Node';
  const { pendingHeals } = options;
  const uses = new UseNotes({ node: settings.nodeId, log });
  const service = createNodeService({
    nodeId: settings.nodeId,
    config,
    pools,
    release,
    io,
    uses,
    pendingHeals,
    log,
    locks,
    problemOf: (pool, path) => healer.problemOf(pool, path),
  });

  const isPublished = async (record: VolumeRecord): Promise<boolean> => {
    const attachment = pools.current(record.pool);
    if (attachment === undefined) return false;
    const { location } = attachment;
    const root = rootOf(location, record.path);
    return (await readMountinfo()).some((entry) => isBindOfPool(entry, location) && isBeneath(entry.root, root));
  };
  const publishedPools = async (): Promise<ReadonlySet<string>> => {
    const entries = await readMountinfo();
    // What waits to be healed is published.
    const dead = new Map<string, readonly string[]>();
    for (const pool of names()) dead.set(pool, await pools.deadDevices(pool));
    const used = config().pools.filter(({ name: pool }) => {
      const own = pools.mountPointOf(pool);
      if (entries.some(({ dev, target }) => target !== own && dead.get(pool)?.includes(dev) === true)) return true;
      const location = pools.current(pool)?.location;
      if (location !== undefined) return entries.some((entry) => isBindOfPool(entry, location));
      // Nobody has asked for the pool since this process started, but an earlier one may have published from it.
      const client = entries.find(({ target }) => target === own);
      return client !== undefined && entries.some(({ dev, target }) => dev === client.dev && target !== client.target);
    });
    return new Set(used.map(({ name: pool }) => pool));
  };
  let adopted = false;
  return {
    services: [
      {
        definition: serviceDefinition(name),
        implementation: implement(service, createHooks(name, log, runtime.rpcMetrics)),
      },
    ],
    isPublished,
    publishedPools,
    apply: async () => {
      if (adopted) return;
      adopted = true;
      await release.adopt();
      await healer.start();
      hangs.start();
    },
    stop: async () => {
      hangs.stop();
      await healer.stop();
      release.close();
      const used = await publishedPools();
      const idle = config().pools.filter((pool) => pool.type !== 'directory' && !used.has(pool.name));
      await Promise.all(idle.map((pool) => pools.detach(pool.name)));
    },
  };
}
