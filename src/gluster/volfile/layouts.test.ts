import { describe, expect, it } from 'vitest';
import { brickVolfile } from './brick.js';
import { clientVolfile, controlVolfile } from './client.js';
import { groupsOf, shapeOf, type GroupWish } from './group-shape.js';
import { parseVolfile, type VolfileVolume } from './parse.js';
import { quotadVolfile } from './quotad.js';
import { needsSelfHeal, selfHealVolfile } from './self-heal.js';
import { testGroup, testLayout } from './test-layouts.js';
import type { PoolLayout } from './layout.js';

interface Expected {
  readonly wish: GroupWish;
  /** The translator above the bricks of a group; undefined: there is none. */
  readonly type: string | undefined;
  readonly options: Readonly<Record<string, string>>;
}

const LAYOUTS: readonly Expected[] = [
  { wish: { replica: 1 }, type: undefined, options: {} },
  { wish: { replica: 3 }, type: 'cluster/replicate', options: { 'quorum-type': 'auto' } },
  { wish: { replica: 2, arbiter: 1 }, type: 'cluster/replicate', options: { 'arbiter-count': '1' } },
  { wish: { disperse: { data: 2, redundancy: 1 } }, type: 'cluster/disperse', options: { redundancy: '1' } },
  { wish: { disperse: { data: 4, redundancy: 2 } }, type: 'cluster/disperse', options: { redundancy: '2' } },
];

const CASES = LAYOUTS.flatMap((layout) => [1, 2, 3].map((groups) => ({ ...layout, groups })));

function layoutOf(wish: GroupWish, groups: number): PoolLayout {
  const { kind, size, redundancy } = shapeOf(wish);
  const { bricks } = testGroup(kind, size * groups);
  const made = groupsOf(shapeOf(wish), bricks).map((group) => ({
    kind,
    ...(kind === 'disperse' ? { redundancy } : {}),
    bricks: group,
  }));
  return testLayout(made, { quota: 'gluster' });
}

describe.each(CASES)('$groups groups of $wish', ({ wish, groups, type, options }) => {
  const layout = layoutOf(wish, groups);
  const { size } = shapeOf(wish);
  const connections = Array.from({ length: size * groups }, (_, index) => `p-client-${index}`);
  const clusters = (text: string): VolfileVolume[] => parseVolfile(text).filter((volume) => volume.type === type);

  it.each([
    ['client', clientVolfile],
    ['control', controlVolfile],
    ['quotad', quotadVolfile],
  ])('%s: every brick in its group, and all groups below one distribution', (_, render) => {
    const volumes = parseVolfile(render(layout));
    expect(volumes.filter(({ type: of }) => of === 'protocol/client').map(({ name }) => name)).toEqual(connections);
    const distributed = volumes.find(({ type: of }) => of === 'cluster/distribute')?.subvolumes;
    if (type === undefined) {
      expect(distributed).toEqual(connections);
      return;
    }
    const found = clusters(render(layout));
    expect(distributed).toEqual(found.map(({ name }) => name));
    expect(found.map(({ subvolumes }) => subvolumes)).toEqual(groupsOf(shapeOf(wish), connections));
    expect(new Set(found.map(({ name }) => name)).size).toBe(groups);
  });

  it('clients say of what kind a group is', () => {
    for (const found of clusters(clientVolfile(layout))) expect(found.options).toMatchObject(options);
  });

  it('the self-heal daemon heals every group, where there is something to heal from', () => {
    expect(needsSelfHeal(layout)).toBe(type !== undefined);
    if (type === undefined) return;
    const found = clusters(selfHealVolfile(layout));
    expect(parseVolfile(selfHealVolfile(layout)).at(-1)?.subvolumes).toEqual(found.map(({ name }) => name));
    expect(found).toHaveLength(groups);
    for (const { options: of } of found) expect(of).toMatchObject({ ...options, 'self-heal-daemon': 'on' });
  });

  it('bricks keep an index of what to heal, arbiters no data', () => {
    for (const [index] of connections.entries()) {
      const types = parseVolfile(brickVolfile({ layout, index, markerTimestamp: '/m' })).map(({ type: of }) => of);
      expect(types.includes('features/index')).toBe(type !== undefined);
      expect(types.includes('features/arbiter')).toBe(wish.arbiter === 1 && index % size === size - 1);
    }
  });
});
