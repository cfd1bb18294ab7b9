import { KeyLock } from '../base/key-lock.js';
import type { NodeHandlers } from '../gen/csi/v1/Node.js';
import type { NodeGetCapabilitiesResponse } from '../gen/csi/v1/NodeGetCapabilitiesResponse.js';
import type { Service } from '../rpc/service.js';
import type { NodeDependencies } from './dependencies.js';
import { publishVolume } from './publish.js';
import { stageVolume, unstageVolume } from './stage.js';
import { StagedPaths } from './staged-paths.js';
import { volumeStats } from './stats.js';
import { unpublishVolume } from './unpublish.js';
import { UsageCounts } from './usage-counts.js';

export type NodeService = Required<Omit<Service<NodeHandlers>, 'NodeExpandVolume'>>;

const CAPABILITIES = [
  'STAGE_UNSTAGE_VOLUME',
  'GET_VOLUME_STATS',
  'SINGLE_NODE_MULTI_WRITER',
  'VOLUME_CONDITION',
] as const;

/** CSI's Node service. A limit changes on the bricks, so there is nothing for NodeExpandVolume to do. */
export function createNodeService(dependencies: NodeDependencies): NodeService {
  const locks = dependencies.locks ?? new KeyLock();
  const staged = new StagedPaths();
  const counts = new UsageCounts({ log: dependencies.log });
  const capabilities: NodeGetCapabilitiesResponse = {
    capabilities: CAPABILITIES.map((type) => ({ type: 'rpc', rpc: { type } })),
  };
  return {
    NodeStageVolume: (request) => stageVolume(dependencies, locks, staged, request),
    NodeUnstageVolume: (request) => unstageVolume(dependencies, staged, request),
    NodePublishVolume: (request, call) => publishVolume(dependencies, locks, request, call),
    NodeUnpublishVolume: (request, call) => unpublishVolume(dependencies, locks, request, call),
    NodeGetVolumeStats: (request, call) => volumeStats(dependencies, { staged, counts }, request, call),
    NodeGetCapabilities: () => Promise.resolve(capabilities),
    NodeGetInfo: () => Promise.resolve({ node_id: dependencies.nodeId }),
  };
}
