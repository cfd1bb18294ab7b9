/*
 * Volumes outside `volumes/` (pathPattern, imported directories) are mirrored below `.kayal/paths`, one directory per
 * path component: `.volume` marks the leaf and holds the volume's id, `.made` marks a parent that Kayal made. With it
 * a node can tell, without reading all records, that a static path would lie in, on or above a volume, and the last
 * volume below a parent that Kayal made takes that parent with it.
 */
import { dirname } from 'node:path/posix';
import type { OwnerAndMode, Tree } from '../../linux/tree.js';
import { PATHS_DIRECTORY, PATH_MARKER, defaultDataPath } from '../records/layout.js';
import type { VolumeRecord } from '../records/record.js';
import { change, type Session } from './session.js';

const MADE_MARKER = '.made';
/** Of the directories that volumes are divided among: pods pass through, and list nothing. */
const VOLUME_BUCKET_MODE = 0o711;

/** True for `volumes/<h>/<id>`, where nobody but Kayal makes anything. */
export function isDefaultPath(path: string): boolean {
  return path === defaultDataPath(path.slice(path.lastIndexOf('/') + 1));
}

const mirror = (path: string): string => `${PATHS_DIRECTORY}/${path}`;

/** The parents of a path, outermost first. */
function parentsOf(path: string): string[] {
  const parents: string[] = [];
  for (let parent = dirname(path); parent !== '.'; parent = dirname(parent)) parents.unshift(parent);
  return parents;
}

/** Marks the volume's path in the mirror; nothing to do for a default path. */
export async function claimPath(session: Session, record: VolumeRecord): Promise<void> {
  if (isDefaultPath(record.path)) return;
  await change(session, async () => {
    await session.tree.mkdirs(mirror(record.path), 0o700);
    await session.tree.replaceFile(
      session.lease.temporary(`path-${record.id}`),
      `${mirror(record.path)}/${PATH_MARKER}`,
      Buffer.from(`${record.id}\n`),
    );
  });
}

/** Makes the directories above a volume, each marked in the mirror before it is made. Others may pass through, not list them. */
export async function makeParents(session: Session, path: string): Promise<void> {
  const { tree, lease } = session;
  if (isDefaultPath(path)) {
    await tree.mkdirs(dirname(path), VOLUME_BUCKET_MODE);
    return;
  }
  for (const parent of parentsOf(path)) {
    if ((await tree.stat(parent)) !== undefined) continue;
    const marker = `${mirror(parent)}/${MADE_MARKER}`;
    await tree.createFile(lease.temporary('made'), marker, Buffer.from(''));
    await tree.mkdir(parent, 0o755);
  }
}

/** Makes a volume's directory and those above it; false: something is at its path, and stays as it is. */
export async function makeVolumeDirectory(session: Session, path: string, owner: OwnerAndMode): Promise<boolean> {
  const { tree } = session;
  if (isDefaultPath(path)) return tree.makeDirectory(path, owner, VOLUME_BUCKET_MODE);
  await makeParents(session, path);
  return tree.makeDirectory(path, owner);
}

/** Takes the path out of the mirror, and with the last volume the parents that Kayal made and nobody uses. */
export async function releasePath(session: Session, record: Pick<VolumeRecord, 'path'>): Promise<void> {
  if (isDefaultPath(record.path)) return;
  const { tree } = session;
  await change(session, async () => {
    await tree.unlink(`${mirror(record.path)}/${PATH_MARKER}`);
    await tree.rmdir(mirror(record.path));
    await releaseParents(tree, parentsOf(record.path).reverse());
  });
}

/** Takes a directory out of the mirror that has neither a mark nor directories, and then its parents likewise. */
export async function releaseUnused(session: Session, path: string): Promise<void> {
  await change(session, () => releaseParents(session.tree, [path, ...parentsOf(path).reverse()]));
}

/** @param parents innermost first */
async function releaseParents(tree: Tree, parents: readonly string[]): Promise<void> {
  for (const parent of parents) {
    const entries = await tree.list(mirror(parent));
    if (entries === undefined) continue;
    if (entries.some(({ name }) => name !== MADE_MARKER)) return;
    // The directory goes before its mark: cut off between the two, the mark is found again and nothing is left.
    if (entries.length > 0) {
      await tree.rmdir(parent);
      await tree.unlink(`${mirror(parent)}/${MADE_MARKER}`);
    }
    await tree.rmdir(mirror(parent));
  }
}
