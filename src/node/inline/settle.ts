import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../../base/logger.js';
import { readMountinfo } from '../../linux/mountinfo.js';
import type { Attachment } from '../../pools/mounts.js';
import { retryStale } from '../../pools/retry-stale.js';
import { formatHandle } from '../../volumes/records/handle.js';
import { dropUse } from '../../volumes/life/last-use.js';
import { releasePath, requestRelease } from '../../volumes/requests/inline-request.js';
import { requestPath } from '../../volumes/requests/node-request.js';
import { recordOf } from '../volume.js';
import { mountsOfInline } from './mounted.js';
import type { InlineStore } from './store.js';

export interface SettleOptions {
  readonly nodeId: string;
  readonly attachment: Attachment;
  readonly store: InlineStore;
  readonly log: Logger;
}

/**
 * Has a released volume removed, one step: asks the controller, or finds that it is done and forgets the volume.
 * @returns true when it is forgotten
 */
async function settle({ nodeId, attachment, store, log }: SettleOptions, id: string): Promise<boolean> {
  const { tree, pool } = attachment;
  const handle = formatHandle({ pool: pool.name, id });
  // Whatever was asked for: what a pod has mounted stays.
  if (mountsOfInline(await readMountinfo(), id).length > 0) {
    log.warn({ volume: handle }, 'inline volume was unpublished, and is mounted elsewhere on this node: not removed');
    return false;
  }
  const isAsked = async (path: string): Promise<boolean> => (await retryStale(() => tree.stat(path))) !== undefined;
  if (await isAsked(releasePath(id))) return false;
  const record = await recordOf(attachment, handle);
  if (record === undefined) {
    if (await isAsked(requestPath(id))) {
      await requestRelease(tree, id, { node: nodeId });
      return false;
    }
    await dropUse(tree, id);
    await store.remove(id);
    return true;
  }
  const { ephemeral } = record;
  if (ephemeral?.node !== nodeId) {
    log.warn({ volume: handle }, 'asked to give an inline volume back that is not of this node');
    await store.remove(id);
    return true;
  }
  if (record.state !== 'deleting') await requestRelease(tree, id, { node: nodeId, token: ephemeral.token });
  return false;
}

const EVERY_MS = 400;

export interface SettleAllOptions extends SettleOptions {
  /** Runs work unless an RPC works on the volume; undefined: it does. */
  readonly underLock: (handle: string, work: () => Promise<boolean>) => Promise<boolean | undefined>;
  readonly patienceMs: number;
}

/**
 * Has all released volumes of a pool removed, also those that are released meanwhile.
 * @throws Error when the controller has not done it in time; it goes on with what it was asked for
 */
export async function settleAll(options: SettleAllOptions): Promise<void> {
  const { store, attachment, underLock, patienceMs } = options;
  for (const until = performance.now() + patienceMs; ;) {
    let left = 0;
    for (const { id, pool, released } of await store.all()) {
      if (!released || pool !== attachment.pool.name) continue;
      const isSettled = await underLock(formatHandle({ pool, id }), () => settle(options, id));
      if (isSettled !== true) left++;
    }
    if (left === 0) return;
    if (performance.now() > until) throw new Error(`the controller has not removed ${left} of them yet`);
    await sleep(EVERY_MS, undefined, { ref: false });
  }
}
