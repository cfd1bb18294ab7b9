import { readMountinfo } from '../linux/mountinfo.js';
import type { PoolVolfiles } from '../pools/gluster-attachment.js';
import { ClientRelease } from '../node/client-release.js';
import { registerMountMetrics } from '../node/mount-metrics.js';
import { createNodeService } from '../node/service.js';
import { isBeneath, isBindOfPool, rootOf } from '../pools/mount-location.js';
import { PoolMounts } from '../pools/mounts.js';
import { createHooks } from '../rpc/hooks.js';
import { serviceDefinition } from '../rpc/schema.js';
import { implement } from '../rpc/service.js';
import type { VolumeRecord } from '../volumes/record.js';
import { DRIVER_NAME } from '../base/version.js';
import type { Part } from './part.js';
import type { Runtime } from './runtime.js';

export interface NodePart extends Part {
  /** True when the volume is published on this machine. */
  readonly isPublished: (record: VolumeRecord) => Promise<boolean>;
  /** Names of the pools that have a published volume on this machine. */
  readonly publishedPools: () => Promise<ReadonlySet<string>>;
}

/** CSI Node with the client mounts, which lie below kubelet's directory so that they propagate. */
export function createNodePart(
  runtime: Runtime,
  options: { readonly managed: (pool: string) => Promise<PoolVolfiles> },
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
  });
  const release = new ClientRelease({ pools, config, log });
  registerMountMetrics(registry, pools, () => config().pools.map(({ name }) => name));
  const name = 'csi.v1.Node';
  const service = createNodeService({ nodeId: settings.nodeId, config, pools, release, io, log });

  const isPublished = async (record: VolumeRecord): Promise<boolean> => {
    const attachment = pools.current(record.pool);
    if (attachment === undefined) return false;
    const { location } = attachment;
    const root = rootOf(location, record.path);
    return (await readMountinfo()).some((entry) => isBindOfPool(entry, location) && isBeneath(entry.root, root));
  };
  const publishedPools = async (): Promise<ReadonlySet<string>> => {
    const entries = await readMountinfo();
    const used = config().pools.filter(({ name: pool }) => {
      const location = pools.current(pool)?.location;
      if (location !== undefined) return entries.some((entry) => isBindOfPool(entry, location));
      // Nobody has asked for the pool since this process started, but an earlier one may have published from it.
      const client = entries.find(({ target }) => target === pools.mountPointOf(pool));
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
    },
    stop: async () => {
      release.close();
      const used = await publishedPools();
      const idle = config().pools.filter((pool) => pool.type !== 'directory' && !used.has(pool.name));
      await Promise.all(idle.map((pool) => pools.detach(pool.name)));
    },
  };
}
