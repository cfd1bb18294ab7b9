/** Files that take the longest, longest first: begun last, one of them would go on alone while the other lanes have nothing to do. */
const SLOW_FILES: readonly string[] = [
  'brick-kill-points.test.ts',
  'hybrid-kill-points.test.ts',
  'hybrid-nodes.test.ts',
  'copies.test.ts',
  'layouts.test.ts',
  'distributed.test.ts',
  'kill-points.test.ts',
  'node-kill-points.test.ts',
  'tool-kill-points.test.ts',
  'ephemeral-loss.test.ts',
  'ephemeral-kill-points.test.ts',
  'image-fencing.test.ts',
  'healing-kill-points.test.ts',
  'half-renames.test.ts',
  'ephemeral.test.ts',
  'hybrid.test.ts',
  'brick-role.test.ts',
  'image-volumes.test.ts',
  'shared-blocks.test.ts',
];

/** The names of a folder's files in the order in which they are begun. */
export function slowFirst(names: readonly string[]): string[] {
  const rank = (name: string): number => {
    const place = SLOW_FILES.indexOf(name);
    return place === -1 ? SLOW_FILES.length : place;
  };
  return names.toSorted((a, b) => rank(a) - rank(b) || a.localeCompare(b));
}
