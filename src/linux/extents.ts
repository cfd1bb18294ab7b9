/** A piece of a file that has blocks of its own. All figures are bytes. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
  /** Where its blocks lie on the filesystem's device. */
  readonly physical: number;
}

/** A piece of a file; `zero`: it reads as zeros. */
export interface FileRange {
  readonly offset: number;
  readonly length: number;
  readonly zero: boolean;
}

/** Adds a piece, to the one before it where both are of one kind. */
function add(ranges: FileRange[], range: FileRange): void {
  const last = ranges.at(-1);
  if (last !== undefined && last.zero === range.zero && last.offset + last.length === range.offset) {
    ranges[ranges.length - 1] = { ...last, length: last.length + range.length };
  } else ranges.push(range);
}

/**
 * What of a file differs from what it was, told by where the blocks lie: two reflinked files of one filesystem have the same
 * blocks exactly where neither was written to since. What has no blocks reads as zeros. Both lists are in the order of their
 * offsets and do not overlap.
 */
export function changedRanges(before: readonly Extent[], after: readonly Extent[]): FileRange[] {
  const ranges: FileRange[] = [];
  const edges = [...new Set([...before, ...after].flatMap(({ offset, length }) => [offset, offset + length]))].sort(
    (a, b) => a - b,
  );
  let [old, now] = [0, 0];
  for (const [index, start] of edges.entries()) {
    const end = edges[index + 1];
    if (end === undefined) break;
    while (isBefore(before[old], start)) old++;
    while (isBefore(after[now], start)) now++;
    const was = placeAt(before[old], start);
    const is = placeAt(after[now], start);
    if (was !== is) add(ranges, { offset: start, length: end - start, zero: is === undefined });
  }
  return ranges;
}

function isBefore(extent: Extent | undefined, offset: number): boolean {
  return extent !== undefined && extent.offset + extent.length <= offset;
}

/** Where the byte at `offset` lies; undefined where the extent has none. */
function placeAt(extent: Extent | undefined, offset: number): number | undefined {
  return extent === undefined || extent.offset > offset ? undefined : extent.physical + (offset - extent.offset);
}
