import type { Tree } from '../../linux/tree.js';
import type { Catalog } from '../records/catalog.js';
import { PATHS_DIRECTORY, PATH_MARKER } from '../records/layout.js';
import { isDefaultPath } from './paths.js';
import type { VolumeRecord } from '../records/record.js';

/** What is wrong with the mirror of the paths of volumes (docs/decisions/0003). */
export interface MarkProblems {
  /** Marked paths that no volume has. */
  readonly stale: readonly string[];
  /** Directories of the mirror with nothing in them, where no volume is either. */
  readonly unused: readonly string[];
  /** Volumes whose path is not in the mirror. */
  readonly missing: readonly VolumeRecord[];
}

interface Mirror {
  /** Paths with a volume's mark. */
  readonly marked: Set<string>;
  /** Paths of directories with nothing in them but, at most, the note that Kayal made the directory. */
  readonly empty: string[];
}

async function readMirror(tree: Tree, path: string, mirror: Mirror): Promise<void> {
  const entries = (await tree.list(path === '' ? PATHS_DIRECTORY : `${PATHS_DIRECTORY}/${path}`)) ?? [];
  const below = entries.filter(({ type }) => type === 'directory');
  for (const { name } of below) await readMirror(tree, path === '' ? name : `${path}/${name}`, mirror);
  if (entries.some(({ name, type }) => type === 'file' && name === PATH_MARKER)) mirror.marked.add(path);
  else if (below.length === 0 && path !== '') mirror.empty.push(path);
}

/** Volumes that are, or may be, served from a path of their own choice. */
function isMirrored(record: VolumeRecord): boolean {
  return !isDefaultPath(record.path) && record.state !== 'archived' && record.state !== 'deleting';
}

/** Compares the mirror with the records. */
export async function findMarkProblems(tree: Tree, catalog: Catalog): Promise<MarkProblems> {
  const mirror: Mirror = { marked: new Set(), empty: [] };
  await readMirror(tree, '', mirror);
  const isFree = (path: string): boolean => catalog.conflictingVolume(path) === undefined;
  return {
    stale: [...mirror.marked].filter(isFree),
    unused: mirror.empty.filter(isFree),
    missing: [...catalog.records()].filter(
      (record) => isMirrored(record) && record.state !== 'creating' && !mirror.marked.has(record.path),
    ),
  };
}
