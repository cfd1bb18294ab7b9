import { KeyLock } from '../base/key-lock.js';
import type { NodeHandlers } from '../gen/csi/v1/Node.js';
import type { NodeGetCapabilitiesResponse } from '../gen/csi/v1/NodeGetCapabilitiesResponse.js';
import type { Service } from '../rpc/service.js';
import type { NodeDependencies } from './dependencies.js';
import { segmentsOf } from '../volumes/requests/topology.js';
import { expandVolume } from './expand.js';
import { publishVolume } from './publish.js';
import { stageVolume, unstageVolume } from './stage.js';
import { StagedPaths } from './staged-paths.js';
import { volumeStats } from './stats.js';
import { unpublishVolume } from './unpublish.js';
import { UsageCounts } from './usage-counts.js';

export type NodeService = Required<Service<NodeHandlers>>;

const CAPABILITIES = [
  'STAGE_UNSTAGE_VOLUME',
  'GET_VOLUME_STATS',
  'EXPAND_VOLUME',
  'SINGLE_NODE_MULTI_WRITER',
  'VOLUME_CONDITION',
] as const;

/** CSI's Node service. */
export function createNodeService(dependencies: NodeDependencies): NodeService {
  const locks = dependencies.locks ?? new KeyLock();
  const staged = new StagedPaths();
  const counts = new UsageCounts({ log: dependencies.log });
  const capabilities: NodeGetCapabilitiesResponse = {
    capabilities: CAPABILITIES.map((type) => ({ type: 'rpc', rpc: { type } })),
  };
  return {
    NodeStageVolume: (request, call) => stageVolume(dependencies, locks, staged, request, call),
    NodeUnstageVolume: (request, call) => unstageVolume(dependencies, locks, staged, request, call),
    NodePublishVolume: (request, call) => publishVolume(dependencies, locks, request, call),
    NodeUnpublishVolume: (request, call) => unpublishVolume(dependencies, locks, request, call),
    NodeGetVolumeStats: (request, call) => volumeStats(dependencies, { staged, counts }, request, call),
    NodeExpandVolume: (request) => expandVolume(dependencies, locks, request),
    NodeGetCapabilities: () => Promise.resolve(capabilities),
    NodeGetInfo: () =>
      Promise.resolve({
        node_id: dependencies.nodeId,
        max_volumes_per_node: String(dependencies.maxVolumes ?? 0),
        accessible_topology: { segments: segmentsOf(dependencies.nodeId) },
      }),
  };
}
