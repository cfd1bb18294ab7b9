import { bucketOf } from './handle.js';

/** Everything of Kayal's own in a pool; mode 0700, never published. */
export const KAYAL_DIRECTORY = '.kayal';
export const VOLUMES_DIRECTORY = 'volumes';
export const RECORDS_DIRECTORY = '.kayal/volumes';
export const SNAPSHOTS_DIRECTORY = '.kayal/snapshots';
/** The content of snapshots, one directory each. */
export const SNAPSHOTS_DATA_DIRECTORY = '.kayal/data/snapshots';
export const TRASH_DIRECTORY = '.kayal/trash';
/** In the directory of an entry of the trash. */
export const TRASH_DATA = 'data';
export const TRASH_RECORD = 'record.json';
export const ARCHIVE_DIRECTORY = '.kayal/archive';
export const REQUESTS_DIRECTORY = '.kayal/requests';
export const LEASES_DIRECTORY = '.kayal/leases';
/** Which node uses a volume's image, `<hh>/<id>.<epoch>.<turn>.json`; written by nodes (leases/image-lease.ts). */
export const IMAGE_LEASES_DIRECTORY = '.kayal/leases/images';
/** Former images that nodes which lost them may still have open, `<id>.<epoch>/image` (life/lost-images.ts). */
export const LOST_DIRECTORY = '.kayal/lost';
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

/** The image of a volume of type file or block, in the volume's directory; the highest epoch present is the volume. */
export function imagePath(path: string, epoch: number): string {
  return `${path}/${imageName(epoch)}`;
}

/** The image's name in the volume's directory. */
export function imageName(epoch: number): string {
  return `image.${epoch}`;
}

/** The epoch of an image by its name; undefined for the name of anything else. */
export function imageEpoch(name: string): number | undefined {
  const match = /^image\.([1-9]\d{0,14})$/.exec(name);
  return match === null ? undefined : Number(match[1]);
}

/** Where the image leases of a volume lie, with those of other volumes. */
export function imageLeaseDirectory(id: string): string {
  return `${IMAGE_LEASES_DIRECTORY}/${bucketOf(id)}`;
}

/** The pool directories that exist as soon as the pool is prepared, outermost first. */
export const POOL_DIRECTORIES: readonly string[] = [
  KAYAL_DIRECTORY,
  LEASES_DIRECTORY,
  IMAGE_LEASES_DIRECTORY,
  RECORDS_DIRECTORY,
  SNAPSHOTS_DIRECTORY,
  '.kayal/data',
  SNAPSHOTS_DATA_DIRECTORY,
  TRASH_DIRECTORY,
  ARCHIVE_DIRECTORY,
  LOST_DIRECTORY,
  REQUESTS_DIRECTORY,
  PATHS_DIRECTORY,
];
