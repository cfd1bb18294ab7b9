import { numberedBricks } from './cluster.js';
import { VolfileGraph } from './graph.js';
import { invalidArgument } from '../../base/errors.js';
import type { BrickGroup, PoolLayout } from './layout.js';
import { accessOptions, exportName, tlsOptions } from './tls.js';

export interface BrickVolfileOptions {
  readonly layout: PoolLayout;
  /** The number of the brick in the pool, from 0. */
  readonly index: number;
  /** A path that features/marker may create a file at, for `gluster` quota. */
  readonly markerTimestamp: string;
}

/** The controller's calls and two purges at a time, of which each is at work in four directories (linux/remove-tree.ts). */
const LEAST_PRIORITY_THREADS = 8;

/** One step of the brick's graph, from the directory up to the server. */
type Layer = { readonly type: string; readonly options?: Readonly<Record<string, string | number>> };

function indexLayer(pool: string, path: string, kind: BrickGroup['kind']): Layer[] {
  if (kind === 'single') return [];
  const base = { 'index-base': `${path}/.glusterfs/indices` };
  return [
    {
      type: 'features/index',
      options:
        kind === 'disperse'
          ? { ...base, 'xattrop64-watchlist': 'trusted.ec.dirty' }
          : {
              ...base,
              'xattrop-dirty-watchlist': 'trusted.afr.dirty',
              'xattrop-pending-watchlist': `trusted.afr.${pool}-`,
            },
    },
  ];
}

function markerLayer({ layout, markerTimestamp }: BrickVolfileOptions): Layer[] {
  if (layout.quota !== 'gluster') return [];
  return [
    {
      type: 'features/marker',
      options: {
        quota: 'on',
        'inode-quota': 'on',
        'quota-version': 1,
        xtime: 'off',
        'gsync-force-xtime': 'off',
        'timestamp-file': markerTimestamp,
        'volume-uuid': layout.volumeId,
      },
    },
  ];
}

function quotaLayers({ pool, quota, quotaTimeouts, groups }: PoolLayout): Layer[] {
  if (quota === 'none') return [];
  if (quota === 'simple') {
    return [
      {
        type: 'features/simple-quota',
        options: { 'pass-through': 'false', ...(groups.length === 1 ? { 'no-distribute': 'true' } : {}) },
      },
      { type: 'features/namespace' },
    ];
  }
  return [
    {
      type: 'features/quota',
      options: {
        'deem-statfs': 'on',
        'server-quota': 'on',
        'soft-timeout': quotaTimeouts.soft,
        'hard-timeout': quotaTimeouts.hard,
        'volume-uuid': pool,
      },
    },
  ];
}

function isArbiter(group: BrickGroup, path: string): boolean {
  return group.kind === 'arbiter' && group.bricks.at(-1)?.path === path;
}

/**
 * The volfile of one brick.
 * @throws KayalError INVALID_ARGUMENT for a path that a volfile cannot hold
 */
export function brickVolfile(options: BrickVolfileOptions): string {
  const { layout, index } = options;
  const found = numberedBricks(layout)[index];
  if (found === undefined) throw invalidArgument(`pool ${layout.pool} has no brick ${index}`);
  const { group, brick } = found;
  const layers: Layer[] = [
    {
      type: 'storage/posix',
      options: {
        directory: brick.path,
        'volume-id': layout.volumeId,
        'shared-brick-count': brick.sharedBy ?? 1,
        'fips-mode-rchecksum': 'on',
        ...(layout.quota === 'gluster' ? { 'update-link-count-parent': 'on' } : {}),
      },
    },
    { type: 'features/access-control' },
    ...(isArbiter(group, brick.path) ? [{ type: 'features/arbiter' }] : []),
    { type: 'features/locks' },
    // What comes with a negative client-pid has the least priority there, and by default one thread for all of it: calls of
    // the controller would wait behind its purges (io-threads.c, iot_schedule).
    { type: 'performance/io-threads', options: { 'least-prio-threads': LEAST_PRIORITY_THREADS } },
    // Below io-threads marker crashes the brick.
    ...markerLayer(options),
    ...indexLayer(layout.pool, brick.path, group.kind),
    ...quotaLayers(layout),
  ];

  const graph = new VolfileGraph();
  let below: string[] = [];
  for (const { type, options: settings } of layers) {
    const name = `${layout.pool}-${type.slice(type.indexOf('/') + 1)}`;
    below = [graph.add({ name, type, ...(settings === undefined ? {} : { options: settings }), subvolumes: below })];
  }
  // The name that clients ask for (`remote-subvolume`) and that the auth options below are about.
  const name = exportName(layout, brick);
  graph.add({
    name,
    type: 'debug/io-stats',
    options: { 'unique-id': brick.path, 'volume-id': layout.volumeId },
    subvolumes: below,
  });
  graph.add({
    name: `${layout.pool}-server`,
    type: 'protocol/server',
    options: {
      'transport-type': 'tcp',
      'transport.address-family': 'inet',
      'transport.socket.listen-port': brick.port,
      ...(layout.bindAddress === undefined ? {} : { 'transport.socket.bind-address': layout.bindAddress }),
      'auth-path': name,
      ...accessOptions(layout, brick),
      ...tlsOptions(layout),
    },
    subvolumes: [name],
  });
  return graph.text();
}
