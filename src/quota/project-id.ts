import { createHash } from 'node:crypto';

/**
 * Project ids of a pool lie in [2^16, 2^24): below is where people and other programs number their projects by hand
 * (/etc/projid), above is the number of the brick.
 */
export const FIRST_PROJECT_ID = 2 ** 16;
export const END_OF_PROJECT_IDS = 2 ** 24;
/** Project ids have 32 bits. */
export const MAX_BRICKS = 2 ** 8;

/**
 * Where a pool starts to look for free ids. Pools that share a filesystem start far from one another, so that they do
 * not take the same id at the same moment.
 */
export function firstProjectId(seed: string): number {
  const hash = createHash('sha256').update(seed).digest().readUInt32BE(0);
  return FIRST_PROJECT_ID + (hash % (END_OF_PROJECT_IDS - FIRST_PROJECT_ID));
}

/** The ids from `first` on, then those before it; each once. */
export function* projectIdsFrom(first: number): Generator<number> {
  for (let id = first; id < END_OF_PROJECT_IDS; id++) yield id;
  for (let id = FIRST_PROJECT_ID; id < first; id++) yield id;
}

/**
 * The id of a volume on one brick. Bricks of one pool may share a filesystem, where one id would be charged for every
 * replica: so each brick has its own. The first brick's is the volume's.
 * @param brick the brick's number in the pool, which never changes
 */
export function brickProjectId(id: number, brick: number): number {
  return id + brick * END_OF_PROJECT_IDS;
}
