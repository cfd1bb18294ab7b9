import { describe, expect, it } from 'vitest';
import { VolfileGraph } from './graph.js';
import { parseVolfile } from './parse.js';

describe('VolfileGraph', () => {
  it('prints translators so that they are read back', () => {
    const graph = new VolfileGraph();
    const below = graph.add({ name: 'p-a', type: 'storage/posix', options: { directory: '/bricks/a', number: 3 } });
    graph.add({ name: 'p-b', type: 'features/locks', subvolumes: [below] });
    expect(parseVolfile(graph.text())).toEqual([
      { name: 'p-a', type: 'storage/posix', options: { directory: '/bricks/a', number: '3' }, subvolumes: [] },
      { name: 'p-b', type: 'features/locks', options: {}, subvolumes: ['p-a'] },
    ]);
  });

  it.each(['a b', 'a\nb', '`id`', 'a#b', '"a"', 'a\\b', '', 'ä'])('refuses the value %j', (value) => {
    expect(() => new VolfileGraph().add({ name: 'p', type: 'x/y', options: { key: value } })).toThrow(/volfile/);
  });

  it('refuses a graph that stands on nothing, and a name twice', () => {
    const graph = new VolfileGraph();
    expect(() => graph.add({ name: 'p', type: 'x/y', subvolumes: ['q'] })).toThrow(/not in the graph/);
    graph.add({ name: 'p', type: 'x/y' });
    expect(() => graph.add({ name: 'p', type: 'x/y' })).toThrow(/already/);
  });
});
