import { shapeOf, type GroupShape, type GroupWish } from '../../src/gluster/volfile/group-shape.js';
import { IS_LONG } from '../runner/long.js';

/** A managed pool of some layout, as tests name and configure it. */
export interface TestLayout {
  readonly name: string;
  /** Keys of the config. */
  readonly keys: GroupWish;
  readonly groups: number;
}

const ARBITER: GroupWish = { replica: 2, arbiter: 1 };
const DISPERSE: GroupWish = { disperse: { data: 2, redundancy: 1 } };

/** One group of bricks, which has some to spare. */
export const GROUP_LAYOUTS: readonly TestLayout[] = [
  { name: 'replica 2 arbiter 1', keys: ARBITER, groups: 1 },
  { name: 'disperse 2+1', keys: DISPERSE, groups: 1 },
  { name: 'disperse 4+2', keys: { disperse: { data: 4, redundancy: 2 } }, groups: 1 },
];

/** Files are distributed over several groups. */
export const DISTRIBUTED_LAYOUTS: readonly TestLayout[] = [
  { name: '2 x replica 1', keys: { replica: 1 }, groups: 2 },
  { name: '2 x replica 3', keys: { replica: 3 }, groups: 2 },
  { name: '2 x replica 2 arbiter 1', keys: ARBITER, groups: 2 },
  { name: '2 x disperse 2+1', keys: DISPERSE, groups: 2 },
];

export function bricksOfLayout({ keys, groups }: TestLayout): { readonly shape: GroupShape; readonly count: number } {
  const shape = shapeOf(keys);
  return { shape, count: shape.size * groups };
}

/** Which layouts are tested in all that they do, and of which only the life of volumes is: with --long all, and none. */
export interface QuickLayouts {
  readonly thorough: readonly string[];
  readonly brief: readonly string[];
}

export function thoroughAndBrief(
  layouts: readonly TestLayout[],
  quick: QuickLayouts,
): { readonly thorough: readonly TestLayout[]; readonly brief: readonly TestLayout[] } {
  if (IS_LONG) return { thorough: layouts, brief: [] };
  const named = (names: readonly string[]): TestLayout[] => layouts.filter(({ name }) => names.includes(name));
  return { thorough: named(quick.thorough), brief: named(quick.brief) };
}
