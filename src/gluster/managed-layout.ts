import type { ManagedPoolConfig } from '../pools/types.js';
import type { MechanismName } from '../quota/mechanism.js';
import type { CertificateFacts } from './tls-files.js';
import { groupsOf, shapeOf } from './volfile/group-shape.js';
import type { BrickLocation, PoolLayout } from './volfile/layout.js';

export interface ManagedLayoutOptions {
  readonly config: ManagedPoolConfig;
  readonly quota: MechanismName;
  readonly volumeId: string;
  readonly credentials: { readonly username: string; readonly password: string };
  /** In the pool's order. */
  readonly bricks: readonly BrickLocation[];
  /** The address that bricks listen on; absent: all. */
  readonly bindAddress?: string | undefined;
  /** What is in the certificate of a pool with TLS. */
  readonly certificate?: CertificateFacts | undefined;
}

/** What the volfiles of a managed pool are made from, wherever its bricks run. */
export function managedLayout(options: ManagedLayoutOptions): PoolLayout {
  const { config, quota, volumeId, credentials, bricks, bindAddress, certificate } = options;
  const shape = shapeOf(config);
  return {
    pool: config.name,
    volumeId,
    groups: groupsOf(shape, bricks).map((group) => ({
      kind: shape.kind,
      ...(shape.kind === 'disperse' ? { redundancy: shape.redundancy } : {}),
      bricks: group,
    })),
    credentials,
    quota: quota === 'project' ? 'none' : quota,
    quotaTimeouts: config.quotaProfile === 'large-volumes' ? { soft: 1, hard: 0 } : { soft: 0, hard: 0 },
    writeBehind: config.clientCache && !(quota === 'gluster' && config.quotaStrict),
    metadataCache: config.clientCache,
    ...(bindAddress === undefined ? {} : { bindAddress }),
    ...(config.tls === undefined || certificate === undefined
      ? {}
      : { tls: { ...config.tls, commonName: certificate.commonName } }),
  };
}
