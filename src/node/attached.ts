import { setTimeout as sleep } from 'node:timers/promises';
import { failedPrecondition } from '../base/errors.js';
import type { VolumeAttachment, VolumeRecord } from '../volumes/records/record.js';
import type { NodeDependencies } from './dependencies.js';
import { recordOf, type NodeVolume } from './volume.js';

type Dependencies = Pick<NodeDependencies, 'nodeId' | 'attach'>;

/** This node's attachment of a volume; undefined where volumes are not attached, and for those that have no record. */
function attachmentOf({ nodeId, attach }: Dependencies, { record }: NodeVolume): VolumeAttachment | undefined {
  return attach === true ? record?.attachments?.find(({ node }) => node === nodeId) : undefined;
}

/** A client answers with the record of a moment ago for as long as this (quick-read, md-cache and the kernel: 1 s each), in ms. */
const STALE_MS = 3_000;
const LOOK_EVERY_MS = 500;

/** @throws KayalError FAILED_PRECONDITION when the volume has to be attached to this node first */
export async function requireAttached(dependencies: Dependencies, volume: NodeVolume): Promise<void> {
  const { nodeId, attach } = dependencies;
  if (attach !== true || volume.record === undefined) return;
  let record: VolumeRecord = volume.record;
  for (const until = performance.now() + STALE_MS; ;) {
    if (attachmentOf(dependencies, { ...volume, record }) !== undefined) return;
    if (performance.now() > until) break;
    await sleep(LOOK_EVERY_MS);
    record = (await recordOf(volume.attachment, volume.handle)) ?? record;
  }
  const others = (record.attachments ?? []).map(({ node }) => node);
  const where = others.length === 0 ? 'to no node' : `to ${others.join(', ')} only`;
  throw failedPrecondition(
    `volume ${volume.handle} is not attached to node ${nodeId} (${where}): ControllerPublishVolume comes first (docs/attach.md)`,
  );
}

/** True when the volume was attached to this node read-only (ControllerPublishVolume's `readonly`). */
export function isAttachedReadOnly(dependencies: Dependencies, volume: NodeVolume): boolean {
  return attachmentOf(dependencies, volume)?.readOnly === true;
}
