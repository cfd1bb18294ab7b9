import { bucketOf } from './handle.js';

/** Everything of Kayal's own in a pool; mode 0700, never published. */
export const KAYAL_DIRECTORY = '.kayal';
export const VOLUMES_DIRECTORY = 'volumes';
export const RECORDS_DIRECTORY = '.kayal/volumes';
export const SNAPSHOTS_DIRECTORY = '.kayal/snapshots';
/** The content of snapshots, one directory each. */
export const SNAPSHOTS_DATA_DIRECTORY = '.kayal/data/snapshots';
export const TRASH_DIRECTORY = '.kayal/trash';
export const ARCHIVE_DIRECTORY = '.kayal/archive';
export const REQUESTS_DIRECTORY = '.kayal/requests';
export const LEASES_DIRECTORY = '.kayal/leases';
/** When each volume was last seen in use, `<hh>/<id>.json`; written by nodes, now and then (last-use.ts). */
export const USES_DIRECTORY = '.kayal/uses';
/** A mirror of the directories that pathPattern volumes use: `.kayal/paths/<path>/.volume` (docs/decisions/0003). */
export const PATHS_DIRECTORY = '.kayal/paths';
/** The file in the leaf of the mirror that says "here is a volume"; holds its id. */
export const PATH_MARKER = '.volume';

export function recordPath(id: string): string {
  return `${RECORDS_DIRECTORY}/${bucketOf(id)}/${id}.json`;
}

/** Where a volume's data lies unless a pathPattern says otherwise; short, as classic quota is less exact deeper down. */
export function defaultDataPath(id: string): string {
  return `${VOLUMES_DIRECTORY}/${bucketOf(id)}/${id}`;
}

/** The pool directories that exist as soon as the pool is prepared, outermost first. */
export const POOL_DIRECTORIES: readonly string[] = [
  KAYAL_DIRECTORY,
  LEASES_DIRECTORY,
  RECORDS_DIRECTORY,
  SNAPSHOTS_DIRECTORY,
  '.kayal/data',
  SNAPSHOTS_DATA_DIRECTORY,
  TRASH_DIRECTORY,
  ARCHIVE_DIRECTORY,
  REQUESTS_DIRECTORY,
  PATHS_DIRECTORY,
];
