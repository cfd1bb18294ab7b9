import type { BrickGroup } from './layout.js';

/** What the groups of a pool are to be, in the words of GlusterFS' command line; exactly one of `replica` and `disperse` is there. */
export interface GroupWish {
  readonly replica?: 1 | 2 | 3 | undefined;
  /** The last brick of each group has the names of files and none of their data. */
  readonly arbiter?: 1 | undefined;
  readonly disperse?: { readonly data: number; readonly redundancy: number } | undefined;
}

/** What each group of a pool is. */
export interface GroupShape {
  readonly kind: BrickGroup['kind'];
  /** Bricks of a group. */
  readonly size: number;
  /** Bricks of a disperse group that may be lost; 0 for the others. */
  readonly redundancy: number;
}

export function shapeOf({ replica, arbiter, disperse }: GroupWish): GroupShape {
  if (disperse !== undefined) {
    const { data, redundancy } = disperse;
    return { kind: 'disperse', size: data + redundancy, redundancy };
  }
  if (arbiter !== undefined) return { kind: 'arbiter', size: 3, redundancy: 0 };
  const size = replica ?? 1;
  return { kind: size === 1 ? 'single' : 'replicate', size, redundancy: 0 };
}

/** As `gluster volume create` has it; it is recorded, so it never changes. */
export function describeShape({ kind, size, redundancy }: GroupShape): string {
  if (kind === 'disperse') return `disperse-data ${size - redundancy} redundancy ${redundancy}`;
  return kind === 'arbiter' ? 'replica 2 arbiter 1' : `replica ${size}`;
}

/** The layout of pools that were made before it was recorded, when there was nothing else. */
export function unrecordedLayout(bricks: number): string {
  return `replica ${bricks}`;
}

/** How many bricks of a group have to do a change for it to count; with fewer the group answers nobody. */
export function bricksNeeded({ kind, size, redundancy }: GroupShape): number {
  return kind === 'disperse' ? size - redundancy : Math.floor(size / 2) + 1;
}

/** Among how many bricks of a group the data of a file is divided. */
export function dataBricks({ kind, size, redundancy }: GroupShape): number {
  return kind === 'disperse' ? size - redundancy : 1;
}

/** True for the brick of an arbiter group that has no data. @param position in its group, from 0 */
export function isArbiterBrick({ kind, size }: GroupShape, position: number): boolean {
  return kind === 'arbiter' && position === size - 1;
}

/** Bricks, or what belongs to each of them, by groups. */
export function groupsOf<T>({ size }: GroupShape, bricks: readonly T[]): (readonly T[])[] {
  return Array.from({ length: Math.ceil(bricks.length / size) }, (_, group) =>
    bricks.slice(group * size, (group + 1) * size),
  );
}

/** True where each brick has all files of the pool, whole, as they are. */
export function holdsAllOnEachBrick({ kind, size }: GroupShape, bricks: number): boolean {
  return bricks === size && (kind === 'single' || kind === 'replicate');
}
