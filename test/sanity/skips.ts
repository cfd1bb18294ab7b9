import type { CsiClient } from '../lib/csi-client.js';
import type { Spec } from './junit.js';

/** `controller CLONE_VOLUME`: a service and what it may advertise. */
export type Capability = `${'plugin' | 'controller' | 'node' | 'group'} ${string}`;

/** The capability behind each reason that csi-sanity 5.5.0 gives for a skip (Skip(…) in pkg/sanity/*.go). */
const REASONS: Readonly<Record<string, Capability>> = {
  'GetCapacity not supported': 'controller GET_CAPACITY',
  'ListVolumes not supported': 'controller LIST_VOLUMES',
  'CreateVolume not supported': 'controller CREATE_DELETE_VOLUME',
  'DeleteVolume not supported': 'controller CREATE_DELETE_VOLUME',
  'Snapshot not supported': 'controller CREATE_DELETE_SNAPSHOT',
  'CreateSnapshot not supported': 'controller CREATE_DELETE_SNAPSHOT',
  'DeleteSnapshot not supported': 'controller CREATE_DELETE_SNAPSHOT',
  'ListSnapshots not supported': 'controller LIST_SNAPSHOTS',
  'GetSnapshot not supported': 'controller GET_SNAPSHOT',
  'Volume Cloning not supported': 'controller CLONE_VOLUME',
  'Modify volume not supported': 'controller MODIFY_VOLUME',
  'Modify Volume not supported': 'controller MODIFY_VOLUME',
  'ControllerModifyVolume not supported': 'controller MODIFY_VOLUME',
  'ControllerExpandVolume not supported': 'controller EXPAND_VOLUME',
  'ControllerPublishVolume not supported': 'controller PUBLISH_UNPUBLISH_VOLUME',
  'ControllerUnpublishVolume not supported': 'controller PUBLISH_UNPUBLISH_VOLUME',
  'Controller Publish, UnpublishVolume not supported': 'controller PUBLISH_UNPUBLISH_VOLUME',
  'ControllerPublishVolume.readonly field not supported': 'controller PUBLISH_READONLY',
  'Controller Service not provided: CreateVolume not supported': 'plugin CONTROLLER_SERVICE',
  'GroupControllerService not supported': 'plugin GROUP_CONTROLLER_SERVICE',
  'VolumeGroupSnapshots not supported': 'group CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT',
  'NodeStageVolume not supported': 'node STAGE_UNSTAGE_VOLUME',
  'NodeUnstageVolume not supported': 'node STAGE_UNSTAGE_VOLUME',
  'NodeGetVolume not supported': 'node GET_VOLUME_STATS',
  'NodeExpandVolume not supported': 'node EXPAND_VOLUME',
  'Service does not have single node multi writer capability': 'node SINGLE_NODE_MULTI_WRITER',
};

/** Specs that are switched off in csi-sanity 5.5.0 itself. */
const PENDING = new Set([
  'Controller Service [Controller Server] ListVolumes pagination should detect volumes added between pages and accept tokens when the last volume from a page is deleted',
]);

/** Everything that the driver says it can do. */
export async function advertisedCapabilities(client: CsiClient): Promise<ReadonlySet<Capability>> {
  const plugin = await client.identity.GetPluginCapabilities({});
  const controller = await client.controller.ControllerGetCapabilities({});
  const node = await client.node.NodeGetCapabilities({});
  const services = plugin.capabilities.map(({ service }) => service?.type);
  const group = services.includes('GROUP_CONTROLLER_SERVICE')
    ? await client.groupController.GroupControllerGetCapabilities({})
    : { capabilities: [] };
  return new Set<Capability>([
    ...services.map((type): Capability => `plugin ${String(type)}`),
    ...controller.capabilities.map(({ rpc }): Capability => `controller ${String(rpc?.type)}`),
    ...node.capabilities.map(({ rpc }): Capability => `node ${String(rpc?.type)}`),
    ...group.capabilities.map(({ rpc }): Capability => `group ${String(rpc?.type)}`),
  ]);
}

export interface SkipReport {
  /** What the suite left out, by the capability that explains it. */
  readonly explained: ReadonlyMap<Capability, readonly Spec[]>;
  /** Left out although the driver advertises what they need, or for a reason that no capability explains. */
  readonly unexplained: readonly Spec[];
  readonly pending: readonly Spec[];
}

/** Sorts what the suite did not run. Nothing may be left out but what a capability that is not advertised explains. */
export function explainSkips(specs: readonly Spec[], advertised: ReadonlySet<Capability>): SkipReport {
  const explained = new Map<Capability, Spec[]>();
  const unexplained: Spec[] = [];
  const pending: Spec[] = [];
  for (const spec of specs) {
    if (spec.status === 'pending') (PENDING.has(spec.name) ? pending : unexplained).push(spec);
    if (spec.status !== 'skipped') continue;
    const capability = REASONS[spec.message];
    if (capability === undefined || advertised.has(capability)) unexplained.push(spec);
    else explained.set(capability, [...(explained.get(capability) ?? []), spec]);
  }
  return { explained, unexplained, pending };
}
