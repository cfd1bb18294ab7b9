import { addConnections, addGroups } from './cluster.js';
import { VolfileGraph } from './graph.js';
import type { PoolLayout } from './layout.js';

/** The volfile of quotad, which adds up the usage of a directory over all groups of the pool for the bricks. */
export function quotadVolfile(layout: PoolLayout): string {
  const graph = new VolfileGraph();
  addConnections(graph, layout);
  const groups = addGroups(graph, layout, { role: 'quotad' });
  const pool = graph.add({ name: `${layout.pool}-dht`, type: 'cluster/distribute', subvolumes: groups });
  graph.add({
    name: `${layout.pool}-quotad`,
    type: 'features/quotad',
    // quotad finds the graph to ask by comparing this with the `volume-uuid` of the asking brick's features/quota.
    options: { [`${pool}.volume-id`]: layout.pool },
    subvolumes: [pool],
  });
  return graph.text();
}
