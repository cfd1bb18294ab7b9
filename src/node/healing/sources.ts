import { posix } from 'node:path';
import type { NamespaceId } from '../../linux/mount-namespaces.js';
import type { MountEntry } from '../../linux/mountinfo.js';
import type { NestedSource } from '../../linux/operations/replace-mounts.js';
import { isBeneath, locate } from '../../pools/mount-location.js';

/** The mounts of a namespace in which kubelet's own mounts can be found: ours, or the host's. */
export interface MountTable {
  /** Undefined: ours. */
  readonly namespace: NamespaceId | undefined;
  readonly entries: readonly MountEntry[];
}

/** The path at which `wanted` is seen in a table: that of a mount of the same filesystem which shows at least as much. */
function pathIn({ entries }: MountTable, wanted: MountEntry): string | undefined {
  const showing = entries
    .filter(({ dev, root }) => dev === wanted.dev && isBeneath(wanted.root, root))
    // A mount of the very directory first: its path leads through no directory that others may change.
    .sort((a, b) => b.root.length - a.root.length);
  for (const { target, root, dev } of showing) {
    const path = posix.join(target, posix.relative(root, wanted.root));
    // Another mount may cover it.
    const seen = locate(entries, path);
    if (seen?.target === target && seen.dev === dev && seen.root === wanted.root) return path;
  }
  return undefined;
}

/**
 * Where a mount that a container has in its volume can be had once more. What kubelet gives to containers (emptyDir,
 * secret, other volumes) are binds of what is mounted on the node, which mountinfo tells by device and root.
 */
export function findSource(tables: readonly MountTable[], wanted: MountEntry): NestedSource | undefined {
  for (const table of tables) {
    const absolute = pathIn(table, wanted);
    if (absolute !== undefined) return { namespace: table.namespace, absolute, dev: wanted.dev };
  }
  return undefined;
}
