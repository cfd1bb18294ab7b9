import { aborted, failedPrecondition, notFound } from '../../base/errors.js';
import { endTurn, heldTurn } from '../leases/hybrid-turn.js';
import { currentImage } from '../leases/image-lease.js';
import { attachedNodes } from '../life/attach.js';
import { startTakeover, takeoverJob } from '../life/image-takeover.js';
import { updateRecord } from '../pool/record-store.js';
import { change, type Session } from '../pool/session.js';
import { formatHandle } from '../records/handle.js';
import type { VolumeRecord } from '../records/record.js';
import { isImage } from '../requests/volume-shape.js';

export interface NodeToRelease {
  readonly id: string;
  readonly node: string;
  /** It was asked before, and may be done. */
  readonly again: boolean;
}

/**
 * Ends the use of a volume by a node that cannot be asked: its attachment goes, and its image is taken away from it.
 * @param waitMs how long it may take
 * @returns what was done, for people
 * @throws KayalError NOT_FOUND; FAILED_PRECONDITION when the node does not use it; ABORTED while it goes on
 */
export async function releaseNode(session: Session, wish: NodeToRelease, waitMs: number): Promise<string> {
  const { id, node } = wish;
  const handle = formatHandle({ pool: session.config.name, id });
  const release = session.locks.tryAcquire(id);
  if (release === undefined) throw aborted(`another operation on volume ${handle} is under way; retry`);
  try {
    if (!session.jobs.isRunning(takeoverJob(id))) session.jobs.throwFailure(takeoverJob(id));
    const damaged = session.catalog.damagedRecord(id);
    if (damaged !== undefined) throw damaged;
    const record = session.catalog.get(id);
    if (record === undefined) throw notFound(`volume ${handle} does not exist`);
    await endUse(session, record, wish);
  } finally {
    release();
  }
  const done = `volume ${handle} is not in use by node ${node} any more`;
  if (session.catalog.get(id)?.revoked?.takeover !== true) return done;
  startTakeover(session, id);
  await session.jobs.wait(takeoverJob(id), waitMs, `a new image of volume ${handle}`);
  return done;
}

async function endUse(session: Session, record: VolumeRecord, { node, again }: NodeToRelease): Promise<void> {
  const attachments = (record.attachments ?? []).filter((attachment) => attachment.node !== node);
  const wasAttached = attachments.length < (record.attachments?.length ?? 0);
  const image = isImage(record) ? await currentImage(session.tree, record) : undefined;
  const turn = record.type === 'hybrid' ? await heldTurn(session.tree, record.id) : undefined;
  const holder = image?.holder ?? turn?.holder;
  // A lease that cannot be read names nobody: whoever says that its node is lost has to know.
  const holds = holder !== undefined && (holder.node === node || holder.node === '');
  if (!holds && !wasAttached) {
    if (again) return;
    const users = [...new Set([...attachedNodes(record), ...(holder === undefined ? [] : [holder.node])])];
    throw failedPrecondition(
      `volume ${formatHandle(record)} is not in use by node ${node}` +
        (users.length === 0 ? ', nor by any other, as far as is known' : `, but by ${users.join(', ')}`),
    );
  }
  // What the node still writes counts for nobody as soon as another one has begun a turn (hybrid/states.ts).
  if (holds && turn !== undefined) await change(session, () => endTurn(session.tree, record.id, turn.turn));
  const revoked =
    holds && image !== undefined
      ? { node: holder.node, epoch: image.epoch, at: new Date().toISOString(), takeover: true }
      : record.revoked;
  await updateRecord(session, { ...record, revoked, attachments: attachments.length === 0 ? undefined : attachments });
}
