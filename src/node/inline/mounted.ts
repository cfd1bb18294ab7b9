import type { MountEntry } from '../../linux/mountinfo.js';
import { defaultDataPath } from '../../volumes/records/layout.js';

/**
 * Where an inline volume is mounted on this node, also from a client that is gone. Its id is in no other volume's path; the
 * pool need not be attached to tell.
 */
export function mountsOfInline(entries: readonly MountEntry[], id: string): MountEntry[] {
  const path = `/${defaultDataPath(id)}`;
  return entries.filter(({ root }) => root.endsWith(path) || root.includes(`${path}/`));
}
