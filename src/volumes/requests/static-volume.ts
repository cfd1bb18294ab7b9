import { invalidArgument, notFound } from '../../base/errors.js';
import type { Tree } from '../../linux/tree.js';
import type { PoolConfig } from '../../pools/types.js';
import { KAYAL_DIRECTORY, PATHS_DIRECTORY, PATH_MARKER, VOLUMES_DIRECTORY } from '../records/layout.js';
import { problemOfPath } from './path-pattern.js';

/** What the volume attributes of a PersistentVolume say of an existing directory. */
export interface StaticVolume {
  /** Relative to the root of the pool; '.' is the whole pool. */
  readonly path: string;
  /** The limit in bytes that the volume shall get; absent: none, and no record. */
  readonly size?: bigint | undefined;
}

/** The root of a client mount shows the graph, with the pool's credentials, below it (GlusterFS' meta translator). */
const META_DIRECTORY = '.meta';
const WHOLE_POOL = '.';
const UNITS: Readonly<Record<string, bigint>> = { '': 1n, Ki: 1n << 10n, Mi: 1n << 20n, Gi: 1n << 30n, Ti: 1n << 40n };
/** csi.proto's byte counts are int64. */
const MAX_BYTES = (1n << 63n) - 1n;

/** Bytes, or with Ki, Mi, Gi or Ti as Kubernetes writes them. */
function parseSize(text: string): bigint {
  const match = /^([1-9]\d{0,18})(Ki|Mi|Gi|Ti)?$/.exec(text);
  const unit = UNITS[match?.[2] ?? ''];
  const bytes = match?.[1] === undefined || unit === undefined ? 0n : BigInt(match[1]) * unit;
  if (bytes > 0n && bytes <= MAX_BYTES) return bytes;
  throw invalidArgument(
    `volume attribute size: ${JSON.stringify(text)} is not a number of bytes such as 1073741824 or 20Gi`,
  );
}

/** `volumes` is somebody's own directory in a pool where Kayal makes nothing. */
function problemOfStaticPath(path: string, staticOnly: boolean): string | undefined {
  const isOwnVolumes = staticOnly && path.split('/')[0] === VOLUMES_DIRECTORY;
  const problem = problemOfPath(isOwnVolumes ? `_${path}` : path);
  return problem?.replace('which is not for patterns', 'which is not for static volumes');
}

/**
 * Reads the attributes `path` and `size`; `pool` is compared with the handle by the caller.
 * @returns undefined when there is no `path`: not a static volume
 * @throws KayalError INVALID_ARGUMENT
 */
export function parseStaticVolume(
  pool: PoolConfig,
  attributes: Readonly<Record<string, string>>,
): StaticVolume | undefined {
  const { path, size } = attributes;
  if (path === undefined) return undefined;
  const problem = path === WHOLE_POOL ? undefined : problemOfStaticPath(path, pool.staticOnly);
  if (problem !== undefined) throw invalidArgument(`volume attribute path: ${JSON.stringify(path)} ${problem}`);
  if (path === WHOLE_POOL && !pool.staticOnly) {
    throw invalidArgument(
      `volume attribute path: the whole of pool ${pool.name} cannot be a volume, as it holds other volumes; give a directory in it`,
    );
  }
  if (size === undefined) return { path };
  if (pool.staticOnly) {
    throw invalidArgument(
      `volume attribute size: pool ${pool.name} is static-only, so Kayal sets no limits in it; leave size out`,
    );
  }
  return { path, size: parseSize(size) };
}

async function checkWholePool(tree: Tree, pool: string): Promise<void> {
  for (const name of [KAYAL_DIRECTORY, META_DIRECTORY]) {
    if ((await tree.stat(name)) === undefined) continue;
    throw invalidArgument(
      `volume attribute path: the whole of pool ${pool} cannot be published, as it shows ${name} to the pod; give a directory in it`,
    );
  }
}

/** By the mirror of the paths of volumes (layout.ts, PATHS_DIRECTORY): a look-up per component, however many volumes there are. */
async function checkNotInVolume(tree: Tree, path: string): Promise<void> {
  const components = path.split('/');
  for (let depth = 1; depth < components.length; depth++) {
    const ancestor = components.slice(0, depth).join('/');
    if ((await tree.stat(`${PATHS_DIRECTORY}/${ancestor}/${PATH_MARKER}`)) === undefined) continue;
    throw invalidArgument(`volume attribute path: ${path} lies inside another volume, at ${ancestor}`);
  }
  const own = await tree.stat(`${PATHS_DIRECTORY}/${path}`);
  if (own?.type !== 'directory') return;
  throw invalidArgument(`volume attribute path: ${path} is another volume, or holds one`);
}

/**
 * Makes sure on the pool that the directory of a static volume without a record may be served.
 * @throws KayalError INVALID_ARGUMENT when it belongs to another volume or to Kayal, NOT_FOUND when it does not exist
 */
export async function checkStaticVolume(tree: Tree, pool: PoolConfig, volume: StaticVolume): Promise<void> {
  if (volume.path === WHOLE_POOL) {
    await checkWholePool(tree, pool.name);
    return;
  }
  if (!pool.staticOnly) await checkNotInVolume(tree, volume.path);
  const entry = await tree.stat(volume.path);
  if (entry?.type === 'directory') return;
  throw notFound(
    entry === undefined
      ? `pool ${pool.name} has no directory ${volume.path}: make it first, a static volume is not made by Kayal`
      : `${volume.path} in pool ${pool.name} is not a directory but a ${entry.type}`,
  );
}
