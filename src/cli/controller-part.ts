import type { ServedService } from '../rpc/server.js';
import { createControllerService } from '../controller/controller.js';
import { createGroupControllerService } from '../controller/group-controller.js';
import { ControlledPools } from '../controller/controlled-pools.js';
import { registerPoolMetrics } from '../controller/pool-metrics.js';
import type { BrickPlaces } from '../linux/brick-connection.js';
import type { PoolVolfiles } from '../pools/gluster-attachment.js';
import { PoolMounts } from '../pools/mounts.js';
import type { PoolConfig } from '../pools/types.js';
import type { MechanismName } from '../quota/mechanism.js';
import { createHooks } from '../rpc/hooks.js';
import { serviceDefinition } from '../rpc/schema.js';
import { implement } from '../rpc/service.js';
import { KnownPools } from '../volumes/pool/known-pools.js';
import type { VolumeRecord } from '../volumes/records/record.js';
import { AttachService } from '../volumes/service/attach-service.js';
import { SnapshotService } from '../volumes/service/snapshot-service.js';
import { VolumeService } from '../volumes/service/volume-service.js';
import { createMechanism } from './mechanism.js';
import type { Part } from './part.js';
import { statePath, type Runtime } from './runtime.js';

export interface ControllerPartOptions {
  /** The bricks on this machine. */
  readonly managed: (pool: string) => Promise<PoolVolfiles>;
  /** What connections to each brick by itself are made from. @throws KayalError UNAVAILABLE while one is away */
  readonly bricksOf: (pool: string) => Promise<BrickPlaces>;
  /** The mechanism that the bricks of a managed pool were started for. */
  readonly graphOf: (pool: string) => MechanismName | undefined;
  /** True when a pod of this machine uses the volume, where that can be known. */
  readonly isPublished: (record: VolumeRecord) => Promise<boolean>;
  /** True when Kayal runs on a node of that name, where that can be known. */
  readonly hasNode: (node: string) => Promise<boolean>;
  /** Entries of a pool that wait to be healed; undefined where that cannot be known. */
  readonly pendingHeals: (pool: string) => Promise<number | undefined>;
}

/** CSI Controller with its control mounts. */
export function createControllerPart(runtime: Runtime, options: ControllerPartOptions): Part {
  const { io, log, settings, self, registry } = runtime;
  const mounts = new PoolMounts({
    io,
    log,
    directory: statePath(runtime, 'control'),
    control: true,
    nodeId: settings.nodeId,
    installation: runtime.config.installation,
    managed: options.managed,
  });
  const pools = new ControlledPools({
    node: settings.nodeId,
    self,
    known: new KnownPools(statePath(runtime, 'pools')),
    mounts,
    io,
    log,
    bricksOf: options.bricksOf,
    mechanismFor: (config, tree, recorded) =>
      createMechanism({ config, tree, recorded, graph: options.graphOf(config.name), io }),
  });
  const configured = (): Map<string, PoolConfig> => new Map(runtime.config.pools.map((pool) => [pool.name, pool]));
  const volumes = new VolumeService({
    pools: configured,
    controlled: () => pools.all(),
    node: settings.nodeId,
    isPublished: options.isPublished,
    attach: settings.attach,
  });
  const attach = settings.attach
    ? new AttachService({
        volumes,
        pools: configured,
        controlled: () => pools.all(),
        hasNode: options.hasNode,
        maxPerNode: settings.maxVolumesPerNode,
      })
    : undefined;
  registerPoolMetrics(registry, () => pools.all());
  const snapshots = new SnapshotService(() => pools.all());
  const name = 'csi.v1.Controller';
  const service: ServedService = {
    definition: serviceDefinition(name),
    implementation: implement(
      createControllerService({
        volumes,
        snapshots,
        attach,
        pools: () => pools.all(),
        node: settings.nodeId,
        pendingHeals: options.pendingHeals,
      }),
      createHooks(name, log, runtime.rpcMetrics),
    ),
  };
  const groupName = 'csi.v1.GroupController';
  const groups: ServedService = {
    definition: serviceDefinition(groupName),
    implementation: implement(createGroupControllerService(snapshots), createHooks(groupName, log, runtime.rpcMetrics)),
  };
  return {
    services: [service, groups],
    announce: (config) => pools.announce(config),
    retire: (config) => pools.retire(config),
    apply: async (config) => pools.apply(config),
    stop: () => pools.close(),
  };
}
