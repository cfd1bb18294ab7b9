/*
 * Where a node keeps its copies, below --hybrid-dir:
 *
 *   <pool>/<id>/image.1        the volume's filesystem, which pods work with
 *   <pool>/<id>/synced.<state> what it was in that state of the pool: its blocks, shared, tell what changed since
 *   <pool>/<id>/next           the same, of a state to be
 *   <pool>/<id>/copy.json      what it is a copy of (copy-record.ts)
 *   <pool>/<id>/abandoned      there: what is not in the pool is given up (kayal volume abandon)
 *   <pool>/<id>/reader/        the same for pods that only read, while another node writes
 *   .aside/<pool>.<id>.<time>/ a copy with changes that got into no state
 */
export const ASIDE_DIRECTORY = '.aside';
/** As images.ts names the first image of a volume: the node's code for images then works on it. */
export const IMAGE = 'image.1';
export const NEXT = 'next';
/** The image while it is being filled. */
export const FILLING = 'filling';

export function copyPlace(pool: string, id: string): string {
  return `${pool}/${id}`;
}

export function readerPlace(pool: string, id: string): string {
  return `${pool}/${id}/reader`;
}

export function asidePlace(pool: string, id: string, at: Date): string {
  return `${ASIDE_DIRECTORY}/${pool}.${id}.${at.toISOString().replaceAll(/[-:]|\.\d+/g, '')}`;
}

const SYNCED = 'synced.';

export function syncedName(state: string): string {
  return `${SYNCED}${state}`;
}

export function isSyncedName(name: string): boolean {
  return name.startsWith(SYNCED);
}

export const ABANDONED = 'abandoned';

/** @param directory --hybrid-dir */
export function abandonedPath(directory: string, place: string): string {
  return `${directory}/${place}/${ABANDONED}`;
}
