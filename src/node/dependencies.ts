import type { KeyLock } from '../base/key-lock.js';
import type { Logger } from '../base/logger.js';
import type { IoWorkers } from '../linux/io-workers.js';
import type { PoolMounts } from '../pools/mounts.js';
import type { Config } from '../pools/types.js';
import type { ImageUser } from '../volumes/leases/image-lease.js';
import type { ClientRelease } from './client-release.js';
import type { InlineVolumes } from './inline/inline-volumes.js';
import type { HybridVolumes } from './hybrid/hybrid-volumes.js';
import type { PublishedPods } from './published-pods.js';
import type { UseNotes } from './use-notes.js';

/** What the node service works with; made by the role that serves it. */
export interface NodeDependencies {
  /** At most 256 bytes (csi.proto, NodeGetInfoResponse). */
  readonly nodeId: string;
  /** This node and its boot, as the holder of image leases. */
  readonly self: ImageUser;
  /** The configuration as it is now. */
  readonly config: () => Config;
  /** The node's client mounts. */
  readonly pools: PoolMounts;
  readonly release: ClientRelease;
  readonly inline: InlineVolumes;
  readonly hybrid: HybridVolumes;
  readonly io: IoWorkers;
  readonly uses: UseNotes;
  /** Entries of a pool that wait to be healed; undefined where that cannot be known. */
  readonly pendingHeals: (pool: string) => Promise<number | undefined>;
  readonly log: Logger;
  /** Whether a volume has to be attached to this node before it is staged; absent: no. */
  readonly attach?: boolean | undefined;
  /** Volumes that the scheduler may bring here; absent: any number. */
  readonly maxVolumes?: number | undefined;
  /** Shared with whatever else works on targets; the service's own without it. */
  readonly locks?: KeyLock | undefined;
  /** Remembers whom volumes are published for. */
  readonly pods?: PublishedPods | undefined;
  /** What is wrong with a volume (a path in its pool) besides what it answers itself. */
  readonly problemOf?: ((pool: string, path: string) => string | undefined) | undefined;
}
