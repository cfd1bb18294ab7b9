import { alreadyExists, exhausted, failedPrecondition, outOfRange } from '../../base/errors.js';
import { formatBytes } from '../../base/units.js';
import { change, type Session } from '../pool/session.js';
import {
  MAX_REQUEST_BYTES,
  formatRequest,
  nodeTag,
  requestPath,
  type InlineRequest,
} from '../requests/node-request.js';
import { parseInventory, parseRelease, releasePath } from '../requests/inline-request.js';
import { createVolume } from './create.js';
import { deleteVolume } from './delete.js';

/** Answers that no node came back for are removed after this time, in ms. */
const FORGOTTEN_AFTER_MS = 60 * 60 * 1000;
const MAX_INVENTORY_BYTES = 1024 * 1024;

/**
 * Makes a pod's inline volume, or finishes making it, or finds it made.
 * The caller holds the lock of the volume's id.
 * @throws KayalError RESOURCE_EXHAUSTED over the node's number, OUT_OF_RANGE over the size that the pool allows, and what
 *   createVolume throws
 */
export async function makeInline(session: Session, id: string, request: InlineRequest): Promise<void> {
  const { catalog, log } = session;
  const existing = catalog.get(id);
  const { volumeId, node, podUid, namespace, pod, token, uid, gid, mode } = request;
  if (existing !== undefined && existing.ephemeral?.node !== node) {
    throw alreadyExists(`volume ${session.config.name}/${id} exists and is no inline volume of a pod on ${node}`);
  }
  const started = performance.now();
  const giveBack = existing === undefined ? takePlace(session, id, request) : undefined;
  try {
    await createVolume(session, {
      name: volumeId,
      capacity: { requiredBytes: BigInt(request.size), limitBytes: 0n },
      parameters: { pools: [], volumeType: 'directory', onDelete: 'delete', uid, gid, mode },
      givenParameters: {},
      claim: {},
      ephemeral: { node, podUid, namespace, pod, token },
    });
  } finally {
    giveBack?.();
  }
  log.info({ volume: id, node, namespace, pod, ms: Math.round(performance.now() - started) }, 'inline volume made');
}

const beingMade = new WeakMap<Session, Map<string, Set<string>>>();

/** Several are made at a time: those without a record yet count too. */
function takePlace(session: Session, id: string, { node, size }: InlineRequest): () => void {
  const { config, catalog } = session;
  const allowed = config.inlineVolumes;
  if (allowed === undefined) throw failedPrecondition(`pool ${config.name} has no inline volumes (key inlineVolumes)`);
  if (BigInt(size) > BigInt(allowed.maxBytes)) {
    throw outOfRange(
      `size: ${formatBytes(BigInt(size))} are more than the ${formatBytes(BigInt(allowed.maxBytes))} that an inline volume of pool ${config.name} may have (inlineVolumes.maxSize)`,
    );
  }
  const making = beingMade.get(session) ?? new Map<string, Set<string>>();
  beingMade.set(session, making);
  const mine = making.get(node) ?? new Set();
  making.set(node, mine);
  const taken = new Set([...catalog.inlineVolumesOf(node), ...mine]);
  if (taken.size >= allowed.maxPerNode) {
    throw exhausted(
      `node ${node} has ${taken.size} inline volumes in pool ${config.name}, as many as it may have (inlineVolumes.maxPerNode); delete pods, or raise it`,
    );
  }
  mine.add(id);
  return () => {
    mine.delete(id);
    if (mine.size === 0) making.delete(node);
  };
}

/**
 * Takes a node's wish back, and deletes what came of it. Only the volume that the node means: not one that was made later
 * for the same name, and never one that is no inline volume of that node.
 * The caller holds the lock of the volume's id.
 */
export async function answerRelease(session: Session, id: string): Promise<void> {
  const { tree, catalog, log } = session;
  const path = releasePath(id);
  const data = await tree.readFile(path, MAX_REQUEST_BYTES);
  if (data === undefined) return;
  const release = parseRelease(data.toString('utf8'));
  // First, lest the next look makes it again.
  if (release !== undefined) await change(session, () => tree.unlink(requestPath(id)));
  const record = catalog.get(id);
  const ephemeral = record?.ephemeral;
  if (record !== undefined && ephemeral !== undefined && ephemeral.node === release?.node) {
    if (ephemeral.token === release.token) {
      await deleteVolume(session, record);
      const { node, namespace, pod } = ephemeral;
      log.info({ volume: id, node, namespace, pod }, 'inline volume removed');
    }
  } else if (record !== undefined || release === undefined) {
    log.warn({ volume: id, node: release?.node }, 'asked to remove an inline volume that is not there: nothing done');
  }
  await change(session, () => tree.unlink(path));
}

/** Tells a node which inline volumes it has on record. */
export async function answerInventory(session: Session, path: string): Promise<void> {
  const { tree, lease, catalog } = session;
  const data = await tree.readFile(path, MAX_INVENTORY_BYTES);
  if (data === undefined) return;
  const request = parseInventory(data.toString('utf8'));
  if (request?.answer !== undefined && Date.now() - Date.parse(request.answer.at) < FORGOTTEN_AFTER_MS) return;
  await change(session, async () => {
    // Not understood, or long forgotten by its node.
    if (request === undefined || request.answer !== undefined) {
      await tree.unlink(path);
      return;
    }
    const answer = { ids: [...catalog.inlineVolumesOf(request.node)], at: new Date().toISOString() };
    await tree.replaceFile(
      lease.temporary(`inventory-${nodeTag(request.node)}`),
      path,
      formatRequest({ ...request, answer }),
    );
  });
}
