import { describe, expect, it } from 'vitest';
import { ANYWHERE, describeRequisite, isAllowed, rankOf, segmentOf, segmentsOf, TOPOLOGY_KEY } from './topology.js';

const on = (...nodes: readonly string[]): readonly Readonly<Record<string, string>>[] => nodes.map(segmentsOf);
const required = (...nodes: readonly string[]) => ({ requisite: on(...nodes), preferred: [] });

describe('segmentOf', () => {
  it('is the name of the node', () => {
    expect(segmentsOf('worker-1.example.com')).toEqual({ 'topology.csi.kayal.storage/node': 'worker-1.example.com' });
    expect(segmentOf('n'.repeat(63))).toBe('n'.repeat(63));
  });

  it('of a long name is shortened to what a label may hold, and still tells it from others', () => {
    const names = [`${'n'.repeat(252)}a`, `${'n'.repeat(252)}b`, `${'x.'.repeat(40)}y`];
    const segments = names.map(segmentOf);
    for (const segment of segments) expect(segment).toMatch(/^[A-Za-z0-9][A-Za-z0-9_.-]{61}[A-Za-z0-9]$/);
    expect(new Set(segments).size).toBe(3);
    expect(segments).toEqual(names.map(segmentOf));
  });

  it('has a key as CSI wants it', () => {
    const [prefix = '', name = ''] = TOPOLOGY_KEY.split('/');
    expect(prefix).toMatch(/^[a-z0-9][a-z0-9.-]{0,61}[a-z0-9]$/);
    expect(name).toMatch(/^[a-z0-9]{1,63}$/);
  });
});

describe('isAllowed', () => {
  it.each([
    ['anywhere', ANYWHERE, 'a', true],
    ['one of the nodes asked for', required('b', 'a'), 'a', true],
    ['another node', required('b', 'c'), 'a', false],
    ['every node', required('b'), undefined, true],
    [
      'a zone, which says nothing of nodes',
      { requisite: [{ 'topology.kubernetes.io/zone': 'z' }], preferred: [] },
      'a',
      false,
    ],
    ['no more than a wish', { requisite: [], preferred: on('b') }, 'a', true],
  ])('%s', (_, requirement, node, expected) => {
    expect(isAllowed(requirement, node)).toBe(expected);
  });
});

it('ranks by the order of preference; what all nodes reach is as good as it can be', () => {
  const wish = { requisite: on('a', 'b', 'c'), preferred: on('b', 'a') };
  expect(['b', 'a', 'c', undefined].map((node) => rankOf(wish, node))).toEqual([0, 1, 2, 0]);
  expect(rankOf(required('a'), 'c')).toBe(0);
});

it('names the nodes in messages, but not all of a large cluster', () => {
  expect(describeRequisite(required('a', 'b'))).toBe('a, b');
  expect(describeRequisite(required('a', 'b', 'c', 'd', 'e', 'f', 'g'))).toBe('a, b, c, d, e and 2 more');
});
