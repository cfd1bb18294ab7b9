import { invalidArgument, outOfRange } from '../../base/errors.js';
import { parseQuantity } from '../../base/quantity.js';
import { formatBytes } from '../../base/units.js';
import type { PoolConfig } from '../../pools/types.js';
import { parseParameters } from './parameters.js';

/** What a pod's `volumeAttributes` ask for. Its author is a tenant: no path, nothing that outlives the pod. */
export interface InlineAttributes {
  readonly pool: PoolConfig;
  /** Bytes. */
  readonly size: bigint;
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

/** Set by kubelet for inline volumes (CSIDriver.spec.podInfoOnMount), with others of the prefix. */
const EPHEMERAL = 'csi.storage.k8s.io/ephemeral';
const KUBELETS_PREFIX = 'csi.storage.k8s.io/';
const NAMES = ['pool', 'size', 'uid', 'gid', 'mode'] as const;
const DEFAULT_BYTES = 1n << 30n;
/** makeVolumeHandle() of kubelet's pkg/volume/csi/csi_plugin.go. */
const VOLUME_ID = /^csi-[0-9a-f]{64}$/;

type Attributes = Readonly<Record<string, string>>;

/** True when kubelet asks for an inline volume of a pod. */
export function isInline(attributes: Attributes): boolean {
  return attributes[EPHEMERAL] === 'true';
}

/** True for what kubelet calls an inline volume; no handle of Kayal is without a slash. */
export function isInlineVolumeId(volumeId: string): boolean {
  return VOLUME_ID.test(volumeId);
}

function choosePool(pools: readonly PoolConfig[], name: string | undefined, former: string | undefined): PoolConfig {
  const allowed = pools.filter(({ inlineVolumes }) => inlineVolumes !== undefined);
  const names = allowed.map((pool) => pool.name).join(', ');
  // What a pod has stays with it, whatever became of the configuration.
  const chosen = former ?? name;
  if (chosen !== undefined) {
    const pool = (former === undefined ? allowed : pools).find((one) => one.name === chosen);
    if (pool !== undefined) return pool;
    throw invalidArgument(
      `volume attribute pool: pool ${JSON.stringify(chosen.slice(0, 63))} has no inline volumes; pools that have are ${names === '' ? 'none' : names}: an administrator decides (key inlineVolumes of the pool)`,
    );
  }
  const [only, ...others] = allowed;
  if (only !== undefined && others.length === 0) return only;
  throw invalidArgument(
    only === undefined
      ? 'no pool has inline volumes: an administrator has to allow them (key inlineVolumes of a pool), or use a PersistentVolumeClaim'
      : `volume attribute pool: is missing, and several pools have inline volumes: ${names}`,
  );
}

/**
 * Reads what a pod asks for.
 * @param former the pool that the volume was asked of before
 * @throws KayalError INVALID_ARGUMENT, OUT_OF_RANGE for a size over the pool's
 */
export function parseInlineAttributes(
  pools: readonly PoolConfig[],
  attributes: Attributes,
  former?: string,
): InlineAttributes {
  const own = Object.entries(attributes).filter(([key]) => !key.startsWith(KUBELETS_PREFIX));
  const unknown = own.map(([key]) => key).filter((key) => !NAMES.some((name) => name === key));
  if (unknown.length > 0) {
    const shown = unknown.map((key) => JSON.stringify(key.slice(0, 64))).join(', ');
    throw invalidArgument(
      `volume attribute ${shown} is not for inline volumes, whose attributes are ${NAMES.join(', ')}`,
    );
  }
  const { pool: poolName, size: sizeText, ...rest } = Object.fromEntries(own);
  const { uid, gid, mode } = parseParameters(rest);
  const pool = choosePool(pools, poolName, former);
  const largest = pool.inlineVolumes && BigInt(pool.inlineVolumes.maxBytes);
  const size = sizeText === undefined ? smaller(DEFAULT_BYTES, largest) : parseQuantity(sizeText);
  if (size === undefined) {
    throw invalidArgument(
      `volume attribute size: ${JSON.stringify(sizeText?.slice(0, 64))} is not an amount of bytes such as 64Mi or 1.5Gi`,
    );
  }
  if (former === undefined && largest !== undefined && size > largest) {
    throw outOfRange(
      `volume attribute size: ${formatBytes(size)} are more than the ${formatBytes(largest)} that an inline volume of pool ${pool.name} may have`,
    );
  }
  return { pool, size, uid, gid, mode };
}

function smaller(bytes: bigint, limit: bigint | undefined): bigint {
  return limit !== undefined && limit < bytes ? limit : bytes;
}
