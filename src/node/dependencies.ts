import type { Logger } from '../base/logger.js';
import type { IoWorkers } from '../linux/io-workers.js';
import type { PoolMounts } from '../pools/mounts.js';
import type { Config } from '../pools/types.js';
import type { ClientRelease } from './client-release.js';

/** What the node service works with; made by the role that serves it. */
export interface NodeDependencies {
  /** At most 256 bytes (csi.proto, NodeGetInfoResponse). */
  readonly nodeId: string;
  /** The configuration as it is now. */
  readonly config: () => Config;
  /** The node's client mounts. */
  readonly pools: PoolMounts;
  readonly release: ClientRelease;
  readonly io: IoWorkers;
  readonly log: Logger;
}
