import { createHash } from 'node:crypto';

/** A volume handle is `<pool>/<id>`; the CSI spec allows 128 bytes ("Size Limits"). */
export interface Handle {
  readonly pool: string;
  readonly id: string;
}

const POOL_NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const ID = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$/;
/** 128 bytes less the longest pool name (63) and the slash. */
const MAX_ID = 64;

/** True for a DNS label of at most 63 characters. */
export function isPoolName(name: string): boolean {
  return POOL_NAME.test(name);
}

/** True for an id that is safe as one file name: no slash, no leading or trailing dot, ASCII, at most 64 bytes. */
export function isVolumeId(id: string): boolean {
  return ID.test(id) && !id.includes('..');
}

/** @returns undefined for anything that Kayal cannot have made */
export function parseHandle(handle: string): Handle | undefined {
  const slash = handle.indexOf('/');
  if (slash < 0) return undefined;
  const pool = handle.slice(0, slash);
  const id = handle.slice(slash + 1);
  return isPoolName(pool) && isVolumeId(id) ? { pool, id } : undefined;
}

export function formatHandle({ pool, id }: Handle): string {
  return `${pool}/${id}`;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/**
 * The id of the volume that the CO calls `name`: the name itself when it is short and safe, else a safe prefix and a
 * hash, so that equal names give equal ids and different names different ones.
 */
export function volumeIdOf(name: string): string {
  // An id that looks like one of ours with a hash could be another name's: only the hash decides then.
  if (isVolumeId(name) && name.length <= MAX_ID && !/-[0-9a-f]{32}$/.test(name)) return name;
  const prefix = name
    .replaceAll(/[^A-Za-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 24)
    .replace(/-+$/, '');
  const hash = sha256(name).slice(0, 32);
  return prefix === '' ? `v-${hash}` : `${prefix}-${hash}`;
}

/** The two hex digits that spread ids over 256 directories (one level of 256 lists 12 × faster than two: measured). */
export function bucketOf(id: string): string {
  return sha256(id).slice(0, 2);
}
