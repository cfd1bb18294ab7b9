import { messageOf } from '../base/errors.js';
import { KeyLock } from '../base/key-lock.js';
import { Mounter } from '../gluster/mounter.js';
import { MounterWatch } from '../gluster/mounter-watch.js';
import type { PodEvents } from '../kube/pod-events.js';
import { readMountinfo, type MountEntry } from '../linux/mountinfo.js';
import type { PoolVolfiles } from '../pools/gluster-attachment.js';
import { ClientRelease } from '../node/client-release.js';
import { registerHybridMetrics } from '../node/hybrid/hybrid-metrics.js';
import { tellOfHybrid } from '../node/hybrid/hybrid-news.js';
import { HybridVolumes } from '../node/hybrid/hybrid-volumes.js';
import { imageDevicesOf } from '../node/images/devices.js';
import { imageFilesystems } from '../node/images/uses.js';
import { registerMountMetrics } from '../node/mount-metrics.js';
import { HangWatch } from '../node/healing/hang-watch.js';
import { InlineKeeper } from '../node/inline/keeper.js';
import { InlineStore } from '../node/inline/store.js';
import { InlineVolumes } from '../node/inline/inline-volumes.js';
import { createHealMetrics } from '../node/healing/heal-metrics.js';
import { Healer } from '../node/healing/healer.js';
import { createNodeService } from '../node/service.js';
import { UseNotes } from '../node/use-notes.js';
import { isBeneath, isBindOfPool, isClientMount, rootOf } from '../pools/mount-location.js';
import { PoolMounts } from '../pools/mounts.js';
import { tellPods } from '../node/pool-news.js';
import { PublishedPods } from '../node/published-pods.js';
import { createHooks } from '../rpc/hooks.js';
import { serviceDefinition } from '../rpc/schema.js';
import { implement } from '../rpc/service.js';
import type { VolumeRecord } from '../volumes/records/record.js';
import { isImage } from '../volumes/requests/volume-shape.js';
import { DRIVER_NAME } from '../base/version.js';
import type { Part } from './part.js';
import { createPodEvents } from './pod-events.js';
import type { Runtime } from './runtime.js';
import { hybridDirectory } from './volume-abandon.js';

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
  const mounter = settings.mounter === undefined ? undefined : new Mounter({ directory: settings.mounter, log });
  const pools = new PoolMounts({
    io,
    log,
    directory: `${settings.kubeletDir}/plugins/${DRIVER_NAME}/pools`,
    control: false,
    nodeId: settings.nodeId,
    installation: runtime.config.installation,
    managed: options.managed,
    host: mounter,
    onLost: (pool) => healer.lost(pool),
  });
  const release = new ClientRelease({
    pools,
    config,
    log,
    isInUse: async ({ location }) => (await imageFilesystems(io))(location.dev),
  });
  const locks = new KeyLock();
  // With kubelet's own directories: the state directory goes with the node's pod.
  const kept = (name: string): string => `${settings.kubeletDir}/plugins/${DRIVER_NAME}/${name}`;
  const pods = new PublishedPods({ file: kept('published-pods.json'), log });
  let events: PodEvents | undefined;
  const tell = tellPods({ node: settings.nodeId, pods, events: () => events });
  const healer = new Healer({
    pools,
    release,
    config,
    locks,
    log,
    metrics: createHealMetrics(registry),
    tell,
    memoryFile: kept('nested-mounts.json'),
  });
  const names = (): string[] => config().pools.map(({ name: pool }) => pool);
  const hangs = new HangWatch({ pools, names, io, log, tell });
  registerMountMetrics(registry, { pools, names, hangs: (pool) => hangs.hangsSince(pool) !== undefined });
  const mounters =
    mounter === undefined
      ? undefined
      : new MounterWatch({
          mounter,
          log,
          onArrival: () => {
            for (const { name: pool, type } of config().pools) if (type !== 'directory') healer.lost(pool);
          },
        });
  const name = 'csi.v1.Node';
  const { pendingHeals } = options;
  const uses = new UseNotes({ node: settings.nodeId, log });
  const { nodeId } = settings;
  const store = new InlineStore({ io, log, directory: kept('inline') });
  const keeper = new InlineKeeper({ nodeId, config, pools, release, store, locks, log });
  const inline = new InlineVolumes({ nodeId, config, pools, store, settleSoon: () => keeper.soon(), log });
  const { machineId, bootId } = runtime.self;
  const self = { node: nodeId, machineId, bootId };
  const hybrid = new HybridVolumes({
    io,
    log,
    directory: hybridDirectory(settings),
    maxBytes: settings.hybridSize,
    self,
    pools,
    config,
    release,
    locks,
    onNews: tellOfHybrid({ node: nodeId, pods, events: () => events }),
  });
  registerHybridMetrics(registry, hybrid);
  const service = createNodeService({
    nodeId,
    self,
    config,
    pools,
    release,
    inline,
    hybrid,
    io,
    uses,
    pendingHeals,
    log,
    locks,
    attach: settings.attach,
    maxVolumes: settings.maxVolumesPerNode,
    pods,
    problemOf: (pool, path) => healer.problemOf(pool, path),
  });

  const isPublished = async (record: VolumeRecord): Promise<boolean> => {
    const attachment = pools.current(record.pool);
    if (attachment === undefined) return false;
    const { location } = attachment;
    const root = rootOf(location, record.path);
    if ((await readMountinfo()).some((entry) => isBindOfPool(entry, location) && isBeneath(entry.root, root)))
      return true;
    return isImage(record) && (await imageDevicesOf(io, attachment, record.path)).length > 0;
  };
  const publishedPools = async (): Promise<ReadonlySet<string>> => {
    const entries = await readMountinfo();
    const hasImages = await imageFilesystems(io);
    // What waits to be healed is published.
    const dead = new Map<string, readonly string[]>();
    for (const pool of names()) dead.set(pool, await pools.deadDevices(pool));
    const used = config().pools.filter(({ name: pool }) => {
      const own = pools.mountPointOf(pool);
      const isDead = (entry: MountEntry): boolean =>
        isClientMount(entry) && entry.target !== own && dead.get(pool)?.includes(entry.dev) === true;
      if (entries.some(isDead)) return true;
      const location = pools.current(pool)?.location;
      if (location !== undefined) {
        return hasImages(location.dev) || entries.some((entry) => isBindOfPool(entry, location));
      }
      // Nobody has asked for the pool since this process started, but an earlier one may have published from it.
      const client = entries.find(({ target }) => target === own);
      if (client === undefined) return false;
      return hasImages(client.dev) || entries.some(({ dev, target }) => dev === client.dev && target !== client.target);
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
      await pods.load();
      events = await createPodEvents(settings, log);
      await mounters?.start();
      await release.adopt();
      await healer.start();
      // What is asked of a hybrid volume tries again.
      await hybrid.start().catch((error: unknown) => {
        log.error({ error: messageOf(error) }, 'hybrid volumes are not served');
      });
      keeper.start();
      hangs.start();
    },
    notReady: () => mounters?.missing(),
    stop: async () => {
      await hybrid.close();
      keeper.close();
      await store.close();
      hangs.stop();
      mounters?.stop();
      await pods.close();
      await healer.stop();
      release.close();
      const used = await publishedPools();
      const idle = config().pools.filter((pool) => pool.type !== 'directory' && !used.has(pool.name));
      await Promise.all(idle.map((pool) => pools.detach(pool.name)));
    },
  };
}
