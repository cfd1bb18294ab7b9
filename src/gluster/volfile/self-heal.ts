import { addConnections, addGroups } from './cluster.js';
import { VolfileGraph } from './graph.js';
import type { PoolLayout } from './layout.js';

/** True for pools in which something can be healed. */
export function needsSelfHeal(layout: PoolLayout): boolean {
  return layout.groups.some(({ kind }) => kind !== 'single');
}

/** The volfile of the self-heal daemon: every group that can heal, side by side. */
export function selfHealVolfile(layout: PoolLayout): string {
  const graph = new VolfileGraph();
  addConnections(graph, layout);
  const groups = addGroups(graph, layout, { role: 'self-heal' });
  graph.add({
    name: `${layout.pool}-top`,
    type: 'debug/io-stats',
    subvolumes: groups.filter((_, index) => layout.groups[index]?.kind !== 'single'),
  });
  return graph.text();
}
