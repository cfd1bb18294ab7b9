import { createHash } from 'node:crypto';
import { DRIVER_NAME } from '../../base/version.js';

/**
 * The one key of Kayal's topology: a node is a segment of its own (docs/decisions/0005-topology.md). kubelet puts it as
 * a label on the node.
 */
export const TOPOLOGY_KEY = `topology.${DRIVER_NAME}/node`;

/** A label's value in Kubernetes, and a segment's in CSI (csi.proto, Topology). */
const MAX_SEGMENT = 63;
const HASH_LENGTH = 16;

/** Keys and values of a CSI Topology. */
export type Segments = Readonly<Record<string, string>>;

/** The value of TOPOLOGY_KEY for a node: its name, shortened by a hash where it is longer than a label's value may be. */
export function segmentOf(node: string): string {
  if (node.length <= MAX_SEGMENT) return node;
  const hash = createHash('sha256').update(node).digest('hex').slice(0, HASH_LENGTH);
  return `${node.slice(0, MAX_SEGMENT - HASH_LENGTH - 1)}-${hash}`;
}

/** The topology of a node, and of what only that node reaches. */
export function segmentsOf(node: string): Segments {
  return { [TOPOLOGY_KEY]: segmentOf(node) };
}

/** From where a volume has to be reached (csi.proto, TopologyRequirement). */
export interface TopologyRequirement {
  /** One of them has to reach it; none: it does not matter. */
  readonly requisite: readonly Segments[];
  /** The first ones are better. */
  readonly preferred: readonly Segments[];
}

/** No wish at all. */
export const ANYWHERE: TopologyRequirement = { requisite: [], preferred: [] };

const isOf =
  (node: string) =>
  (segments: Segments): boolean =>
    segments[TOPOLOGY_KEY] === segmentOf(node);

/**
 * Whether a volume that only `node` reaches is what is asked for; undefined stands for a volume that every node reaches.
 * Other keys than Kayal's say nothing of its nodes: no volume of one node is known to be there.
 */
export function isAllowed({ requisite }: TopologyRequirement, node: string | undefined): boolean {
  return node === undefined || requisite.length === 0 || requisite.some(isOf(node));
}

/** How far down the list of wishes a volume of `node` is; 0: nothing would be better. */
export function rankOf({ preferred }: TopologyRequirement, node: string | undefined): number {
  if (node === undefined || preferred.length === 0) return 0;
  const rank = preferred.findIndex(isOf(node));
  return rank === -1 ? preferred.length : rank;
}

/** For messages: the nodes asked for, as far as they are few. */
export function describeRequisite({ requisite }: TopologyRequirement): string {
  const names = requisite.map((segments) => segments[TOPOLOGY_KEY] ?? JSON.stringify(segments));
  const shown = names.slice(0, 5).join(', ');
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown;
}
