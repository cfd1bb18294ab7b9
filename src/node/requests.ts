import { posix } from 'node:path';
import { invalidArgument, notFound } from '../base/errors.js';
import type { Config, PoolConfig } from '../pools/types.js';
import { isInlineVolumeId } from '../volumes/requests/inline-attributes.js';

/** PATH_MAX of linux/limits.h counts the closing NUL. */
const MAX_PATH = 4095;
/** CSI spec, "Size Limits". */
const MAX_HANDLE = 128;

/** @throws KayalError INVALID_ARGUMENT when the CO left the volume's id out */
export function requireVolumeId(volumeId: string): string {
  if (volumeId === '') throw invalidArgument('the request has no volume_id');
  return volumeId;
}

/**
 * An absolute path of the CO's, normalised: no trailing slash, no empty component.
 * @throws KayalError INVALID_ARGUMENT
 */
export function requirePath(path: string, field: string): string {
  if (path === '') throw invalidArgument(`the request has no ${field}`);
  const problem = problemOfPath(path);
  if (problem !== undefined) throw invalidArgument(`${field} ${JSON.stringify(path.slice(0, 256))} ${problem}`);
  return normalise(path);
}

/** What is wrong with an absolute path that a CO gives; undefined when nothing is. */
export function problemOfPath(path: string): string | undefined {
  if (!path.startsWith('/')) return 'is not absolute';
  if (path.includes('\0')) return 'contains a NUL';
  if (Buffer.byteLength(path) > MAX_PATH) return `is longer than ${MAX_PATH} bytes`;
  if (path.split('/').includes('..')) return 'contains ".."';
  if (normalise(path) === '/') return 'is the root directory';
  return undefined;
}

export function normalise(path: string): string {
  const normal = posix.normalize(path);
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal;
}

/** A volume handle cut at its first slash. Static volumes may have anything behind it. */
export interface HandleParts {
  readonly pool: PoolConfig;
  readonly rest: string;
}

/** @throws KayalError NOT_FOUND when no volume can have this handle on this node */
export function poolOfHandle(config: Config, handle: string): HandleParts {
  const slash = handle.indexOf('/');
  const name = handle.slice(0, Math.max(slash, 0));
  const rest = handle.slice(slash + 1);
  const shown = JSON.stringify(handle.slice(0, 256));
  if (isInlineVolumeId(handle)) {
    throw notFound(
      `volume ${shown} is no inline volume that this node knows; where kubelet asks for a new one, the CSIDriver object ` +
        'needs podInfoOnMount: true',
    );
  }
  if (slash < 1 || rest === '' || Buffer.byteLength(handle) > MAX_HANDLE) {
    throw notFound(
      `volume ${shown} does not exist: a volume handle of Kayal is <pool>/<id>, at most ${MAX_HANDLE} bytes`,
    );
  }
  const pool = config.pools.find((candidate) => candidate.name === name);
  if (pool !== undefined) return { pool, rest };
  throw notFound(
    `volume ${shown} does not exist: no pool ${JSON.stringify(name)} is configured (configured: ` +
      `${config.pools.map((known) => known.name).join(', ')})`,
  );
}
