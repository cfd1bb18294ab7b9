/*
 * Images that were taken away from a node. Its client may have them open, and locked: replicate keeps its lock on a file
 * for a while after the last write, and the bricks do not unlink a file while a client has it locked (features/locks,
 * pl_inode_remove). A client that is cut off loses its locks when its connection is given up, one that is stopped keeps
 * them for as long as it is stopped. So an image is only moved away at once, each into a directory of its own, and
 * unlinked later; an unlink that hangs keeps nobody but that directory busy.
 */
import { KayalError, messageOf } from '../../base/errors.js';
import { change, type Session } from '../pool/session.js';
import { LOST_DIRECTORY } from '../records/layout.js';

/** The bricks have given a dead connection up by then (42 s, network.tcp-timeout and server.tcp-user-timeout). */
const KEPT_MS = 120_000;
const IMAGE = 'image';

/** Sessions with an unlink that hangs; one is enough to know, and each takes a thread. */
const hanging = new WeakSet<Session>();

/** Moves a former image out of its volume; nothing to do when it is gone. */
export async function putAside(
  session: Session,
  id: string,
  { path, epoch }: { readonly path: string; readonly epoch: number },
): Promise<void> {
  const place = `${LOST_DIRECTORY}/${id}.${epoch}.${session.lease.epoch}`;
  await change(session, async () => {
    await session.tree.mkdirs(place, 0o700);
    await session.tree.rename(path, `${place}/${IMAGE}`);
  });
}

/** Removes what was put aside a while ago. */
export async function removeLostImages(session: Session): Promise<void> {
  const { tree, background, log } = session;
  for (const { name } of (await tree.list(LOST_DIRECTORY)) ?? []) {
    if (hanging.has(session)) return;
    const place = `${LOST_DIRECTORY}/${name}`;
    const entry = await tree.stat(place);
    if (entry === undefined || Date.now() - entry.mtimeMs < KEPT_MS) continue;
    session.lease.assertHeld();
    try {
      await background.unlink(`${place}/${IMAGE}`);
      await background.rmdir(place);
    } catch (error) {
      if (error instanceof KayalError && error.code === 'DEADLINE_EXCEEDED') hanging.add(session);
      log.warn({ entry: name, error: messageOf(error) }, 'an image that was taken away from a node is not removed yet');
    }
  }
}
