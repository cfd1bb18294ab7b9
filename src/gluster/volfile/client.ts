import { addConnection, addConnections, addGroups, numberedBricks } from './cluster.js';
import { VolfileGraph } from './graph.js';
import type { PoolLayout } from './layout.js';

/** The graph up to the whole pool; distribution is there for one group too, so that a second one can be added later. */
function wholePool(graph: VolfileGraph, layout: PoolLayout, options: Readonly<Record<string, string>> = {}): string {
  addConnections(graph, layout);
  const groups = addGroups(graph, layout, { role: 'client' });
  const pool = graph.add({ name: `${layout.pool}-dht`, type: 'cluster/distribute', options, subvolumes: groups });
  return graph.add({
    name: `${layout.pool}-utime`,
    type: 'features/utime',
    options: { noatime: 'on' },
    subvolumes: [pool],
  });
}

function top(graph: VolfileGraph, layout: PoolLayout, below: string): string {
  // Not the bare pool name, which graph.l would take for a keyword in a pool that is called "volume" or "type".
  graph.add({ name: `${layout.pool}-top`, type: 'debug/io-stats', subvolumes: [below] });
  return graph.text();
}

/**
 * What write-behind holds back is what gets past a limit. One write of a file at a time brings four writers on one brick
 * from up to 7.5 MiB of excess to 2.6; on a replica set, which is exact enough without, they would take seconds to stop.
 */
function writeBehindOptions({ quota, groups }: PoolLayout): Record<string, string> {
  switch (quota) {
    case 'simple':
      return { 'strict-write-ordering': 'on' };
    case 'gluster': {
      const isPlain = groups.every(({ kind }) => kind === 'single');
      return { 'cache-size': '512KB', ...(isPlain ? { 'strict-write-ordering': 'on' } : {}) };
    }
    case 'none':
      return {};
  }
}

/** The volfile of the nodes' FUSE clients. */
export function clientVolfile(layout: PoolLayout): string {
  const graph = new VolfileGraph();
  let below = wholePool(graph, layout);
  if (layout.writeBehind) {
    below = graph.add({
      name: `${layout.pool}-write-behind`,
      type: 'performance/write-behind',
      options: writeBehindOptions(layout),
      subvolumes: [below],
    });
  }
  if (layout.metadataCache) {
    below = graph.add({ name: `${layout.pool}-md-cache`, type: 'performance/md-cache', subvolumes: [below] });
  }
  return top(graph, layout, below);
}

/**
 * The volfile of the controller's mounts: nothing in it keeps data or metadata back, so that what one controller wrote
 * is what another one reads. With several groups such a client ends when it loses one of them, because from then on it would
 * list directories without what is there, and say nothing (dht_notify, dht_readdirp_cbk).
 */
export function controlVolfile(layout: PoolLayout): string {
  const graph = new VolfileGraph();
  const options = layout.groups.length > 1 ? { 'assert-no-child-down': 'on' } : {};
  return top(graph, layout, wholePool(graph, layout, options));
}

/**
 * Volfiles with the client of one brick each and nothing above it, in the pool's order: for what no cluster translator does.
 * Through them nothing is replicated.
 */
export function brickClientVolfiles(layout: PoolLayout): string[] {
  return numberedBricks(layout).map(({ index, brick }) => {
    const graph = new VolfileGraph();
    addConnection(graph, layout, index, brick);
    return graph.text();
  });
}
