import { invalidArgument } from '../../base/errors.js';
import type { VolfileGraph } from './graph.js';
import type { BrickGroup, BrickLocation, PoolLayout } from './layout.js';
import { credentialOptions, exportName, tlsOptions } from './tls.js';

/**
 * Seconds without an answer after which a brick counts as gone. GlusterFS' default of 42 stops every writer of a
 * replicated pool for that long when a machine goes silent.
 */
const PING_TIMEOUT_SECONDS = 10;

/**
 * Seconds between two looks of the self-heal daemon at what waits to be healed. A brick that comes back is looked at at
 * once; one that was full or refused writes for another reason never went away. GlusterFS' default is 600.
 */
const HEAL_TIMEOUT_SECONDS = 10;

/** cluster/disperse takes no less; clients heal there, too, what they come across. */
const DISPERSE_HEAL_TIMEOUT_SECONDS = 60;

/** All bricks of a pool in their order, each with its number: the `N` of `<pool>-client-N`. */
export function numberedBricks(
  layout: PoolLayout,
): { readonly index: number; readonly group: BrickGroup; readonly brick: BrickLocation }[] {
  return layout.groups
    .flatMap((group) => group.bricks.map((brick) => ({ group, brick })))
    .map((entry, index) => ({ ...entry, index }));
}

/** The name of a brick's connection, which replication also keeps its bookkeeping under (`trusted.afr.<name>`): it never changes. */
export function clientName(pool: string, index: number): string {
  return `${pool}-client-${index}`;
}

/** Translators that are the same for every process that connects to the bricks. */
export function addConnections(graph: VolfileGraph, layout: PoolLayout): void {
  for (const { index, brick } of numberedBricks(layout)) addConnection(graph, layout, index, brick);
}

/** The connection to one brick. */
export function addConnection(graph: VolfileGraph, layout: PoolLayout, index: number, brick: BrickLocation): void {
  graph.add({
    name: clientName(layout.pool, index),
    type: 'protocol/client',
    options: {
      'transport-type': 'tcp',
      'transport.address-family': 'inet',
      'remote-host': brick.host,
      'remote-port': brick.port,
      'remote-subvolume': exportName(layout, brick),
      'ping-timeout': PING_TIMEOUT_SECONDS,
      'send-gids': 'true',
      ...credentialOptions(layout),
      ...tlsOptions(layout),
    },
  });
}

/** What a graph is for, by which it differs in a few options of these translators. */
interface GroupOptions {
  readonly role: 'client' | 'self-heal' | 'quotad';
}

function replicateOptions(
  layout: PoolLayout,
  names: readonly string[],
  group: BrickGroup,
  options: GroupOptions,
): Record<string, string | number> {
  return {
    'afr-pending-xattr': names.join(','),
    'volume-id': layout.volumeId,
    // quotad only reads, and must tell what one brick alone has: to heal a rename or a deletion, a brick that was away first
    // moves the directory aside, and its features/quota asks how large that is. A quotad that finds no quorum is taken for one
    // that is away: features/quota tries for 60 s, with the parent directory locked on all bricks (gluster/glusterfs#3921).
    'quorum-type': options.role === 'quotad' ? 'none' : 'auto',
    'granular-entry-heal': 'on',
    // Without it a directory that was moved while a brick was away is made there anew, and nothing says that it is empty
    // (afr_selfheal_recreate_entry).
    'use-anonymous-inode': 'yes',
    // A brick that is back, and not healed yet, takes part in renames: of a name that was replaced while it was away it moves
    // the old file, to where nothing says that it is wrong. What most bricks have is what the writer was told.
    'favorite-child-policy': 'majority',
    ...(group.kind === 'arbiter' ? { 'arbiter-count': 1 } : {}),
    ...(options.role === 'self-heal'
      ? {
          'iam-self-heal-daemon': 'on',
          'self-heal-daemon': 'on',
          'data-self-heal': 'on',
          'metadata-self-heal': 'on',
          'entry-self-heal': 'on',
          'background-self-heal-count': 0,
          'heal-timeout': HEAL_TIMEOUT_SECONDS,
        }
      : {}),
  };
}

function disperseOptions(group: BrickGroup, options: GroupOptions): Record<string, string | number> {
  const redundancy = group.redundancy ?? 0;
  if (redundancy < 1 || group.bricks.length <= 2 * redundancy) {
    throw invalidArgument(
      `a disperse group of ${group.bricks.length} bricks cannot have redundancy ${redundancy}: it must be at least 1 and less than half of the bricks`,
    );
  }
  return {
    redundancy,
    ...(options.role === 'self-heal'
      ? { 'self-heal-daemon': 'on', 'iam-self-heal-daemon': 'yes', 'heal-timeout': DISPERSE_HEAL_TIMEOUT_SECONDS }
      : {}),
  };
}

function checkSize(group: BrickGroup): void {
  const count = group.bricks.length;
  const fits = {
    single: count === 1,
    replicate: count >= 2,
    arbiter: count === 3,
    disperse: count >= 3,
  }[group.kind];
  if (!fits) throw invalidArgument(`a group of kind ${group.kind} cannot have ${count} bricks`);
}

/**
 * Adds one translator per group of bricks on top of the connections.
 * @returns the names to distribute over
 * @throws KayalError INVALID_ARGUMENT for a group whose number of bricks does not fit its kind
 */
export function addGroups(graph: VolfileGraph, layout: PoolLayout, options: GroupOptions): string[] {
  let first = 0;
  return layout.groups.map((group, number) => {
    checkSize(group);
    const names = group.bricks.map((_, position) => clientName(layout.pool, first + position));
    first += names.length;
    const [only] = names;
    if (group.kind === 'single' && only !== undefined) return only;
    if (group.kind === 'disperse') {
      return graph.add({
        name: `${layout.pool}-disperse-${number}`,
        type: 'cluster/disperse',
        options: disperseOptions(group, options),
        subvolumes: names,
      });
    }
    return graph.add({
      name: `${layout.pool}-replicate-${number}`,
      type: 'cluster/replicate',
      options: replicateOptions(layout, names, group, options),
      subvolumes: names,
    });
  });
}
