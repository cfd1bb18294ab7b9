import { setTimeout as sleep } from 'node:timers/promises';
import { aborted } from '../../base/errors.js';
import { askForSync, isSyncDone } from '../../hybrid/sync-request.js';
import { heldTurn } from '../leases/hybrid-turn.js';
import type { OpenSource } from '../pool/content-source.js';
import { change } from '../pool/session.js';
import { parseHandle } from '../records/handle.js';

/** A node looks every few seconds whether it is asked, and needs the time of a sync then. */
const PATIENCE_MS = 120_000;
const LOOK_EVERY_MS = 500;

/**
 * Lets the node that writes a hybrid volume bring everything into the pool, before the volume is copied; nothing to do where no
 * node does.
 * @param assertWanted throws when nobody wants the copy any more
 * @throws KayalError ABORTED when the node does not answer
 */
export async function syncFirst(
  { session, path }: Pick<OpenSource, 'session' | 'path'>,
  handle: string,
  assertWanted: () => void,
): Promise<void> {
  const id = parseHandle(handle)?.id ?? '';
  const { tree } = session;
  if ((await heldTurn(tree, id)) === undefined) return;
  const number = Date.now();
  await change(session, () => askForSync(tree, path, number));
  for (const until = performance.now() + PATIENCE_MS; ;) {
    assertWanted();
    if (await isSyncDone(tree, path, number)) return;
    const held = await heldTurn(tree, id);
    if (held === undefined) return;
    if (performance.now() > until) {
      throw aborted(
        `node ${held.holder.node} writes volume ${handle} and was asked to sync it first, and does not: retry when it can reach the pool, ` +
          `or, if it is lost, run "kayal volume release ${handle} --node ${held.holder.node}"`,
      );
    }
    await sleep(LOOK_EVERY_MS);
  }
}
