import { alreadyExists, failedPrecondition, invalidArgument } from '../../base/errors.js';
import { currentImage, heldByAnother } from '../leases/image-lease.js';
import { updateRecord } from '../pool/record-store.js';
import type { Session } from '../pool/session.js';
import { formatHandle } from '../records/handle.js';
import type { VolumeAttachment, VolumeRecord } from '../records/record.js';
import type { VolumeAccess } from '../requests/capabilities.js';
import { isImage, whyNotShape } from '../requests/volume-shape.js';

/** What ControllerPublishVolume asks for. */
export interface WantedAttachment {
  readonly node: string;
  readonly readOnly: boolean;
  readonly access: VolumeAccess;
}

const accessText = ({ kind, mode }: VolumeAccess): string => `${kind} ${mode}`;
const isMultiNode = ({ access }: VolumeAttachment): boolean => access.includes(' MULTI_NODE_');

/** The nodes that a volume is attached to. */
export function attachedNodes(record: VolumeRecord): string[] {
  return (record.attachments ?? []).map(({ node }) => node);
}

/**
 * The attachment that is asked for, when it is there.
 * @throws KayalError ALREADY_EXISTS for another one to that node; FAILED_PRECONDITION when other nodes are in the way
 *   (CSI spec, "ControllerPublishVolume Errors")
 */
export function findAttachment(record: VolumeRecord, wanted: WantedAttachment): VolumeAttachment | undefined {
  const { node, readOnly, access } = wanted;
  const handle = formatHandle(record);
  const attachments = record.attachments ?? [];
  const own = attachments.find((attachment) => attachment.node === node);
  if (own !== undefined) {
    if (own.readOnly === readOnly && own.access === accessText(access)) return own;
    const text = (attachment: Pick<VolumeAttachment, 'readOnly' | 'access'>): string =>
      `${attachment.access}${attachment.readOnly ? ' read-only' : ''}`;
    throw alreadyExists(
      `volume ${handle} is attached to ${node} as ${text(own)}, ${text({ readOnly, access: accessText(access) })} is asked for: detach it first`,
    );
  }
  if (attachments.length > 0 && !(access.multiNode && attachments.every(isMultiNode))) {
    throw failedPrecondition(
      `volume ${handle} is attached to ${attachedNodes(record).join(', ')} and cannot be attached to ${node} too: ` +
        `access mode ${access.multiNode ? (attachments[0]?.access ?? '') : access.mode} is for one node at a time`,
    );
  }
  return undefined;
}

/**
 * Attaches a volume that is not attached to this node yet. The caller holds the lock of the volume's id.
 * @returns `takeover` when its image has to be taken away from a node first: the record says so, the job is to be started
 * @throws KayalError FAILED_PRECONDITION while a node that was not told to let go uses it
 */
export async function attachVolume(
  session: Session,
  record: VolumeRecord,
  wanted: WantedAttachment,
): Promise<'attached' | 'takeover'> {
  const problem = whyNotShape(record, [wanted.access]);
  if (problem !== undefined) throw invalidArgument(problem);
  let { revoked } = record;
  if (isImage(record)) {
    const image = await currentImage(session.tree, record);
    const holder = image?.holder;
    const isRevoked = revoked !== undefined && revoked.epoch === image?.epoch && revoked.node === holder?.node;
    if (isRevoked && (revoked?.takeover === true || holder?.node !== wanted.node)) {
      if (revoked?.takeover === false) {
        await updateRecord(session, { ...record, revoked: { ...revoked, takeover: true } });
      }
      return 'takeover';
    }
    if (holder !== undefined && holder.node !== wanted.node) throw heldByAnother(record, holder);
    if (revoked?.takeover === false) revoked = undefined;
  }
  const { node, readOnly, access } = wanted;
  const attachment = { node, readOnly, access: accessText(access), since: new Date().toISOString() };
  await updateRecord(session, { ...record, revoked, attachments: [...(record.attachments ?? []), attachment] });
  return 'attached';
}

/**
 * Ends attachments. A node that still holds the volume's image is marked: whoever attaches the volume next has it taken
 * away from that node first. The caller holds the lock of the volume's id.
 * @param node '' for every node
 */
export async function detachVolume(session: Session, record: VolumeRecord, node: string): Promise<void> {
  const before = record.attachments ?? [];
  const attachments = before.filter((attachment) => node !== '' && attachment.node !== node);
  const image = isImage(record) ? await currentImage(session.tree, record) : undefined;
  const holder = image?.holder;
  let { revoked } = record;
  const isItsHolder = image !== undefined && holder !== undefined && (node === '' || holder.node === node);
  if (isItsHolder && !(revoked?.epoch === image.epoch && revoked.node === holder.node)) {
    revoked = { node: holder.node, epoch: image.epoch, at: new Date().toISOString(), takeover: false };
    session.log.warn({ volume: record.id, node: holder.node }, 'detached while the node still holds the image');
  }
  if (attachments.length === before.length && revoked === record.revoked) return;
  await updateRecord(session, { ...record, revoked, attachments: attachments.length === 0 ? undefined : attachments });
}
