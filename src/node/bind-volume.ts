import { aborted, isErrno, messageOf, notFound, unavailable } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { IoWorkers } from '../linux/io-workers.js';
import { readMountinfo, topMount } from '../linux/mountinfo.js';
import { publishKind, type PublishParameters } from './publishes.js';
import { makeTarget, removeTarget, unmountAll } from './target.js';
import type { NodeVolume } from './volume.js';

export interface BindOptions {
  readonly io: IoWorkers;
  readonly log: Logger;
  readonly volume: NodeVolume;
  /** As mountinfo shows it; nothing is mounted there. */
  readonly target: string;
  readonly parameters: PublishParameters;
}

/**
 * Binds a volume's directory on a target and makes sure of it; when it fails, nothing stays mounted or made.
 * @throws KayalError NOT_FOUND when the directory is gone, UNAVAILABLE when something else than it was mounted
 */
export async function bindVolume(options: BindOptions): Promise<void> {
  const { io, volume, target, parameters } = options;
  const made = await makeTarget(io, target);
  // A directory that is new is no mount point. One that was there may be, in spite of what was read: mountinfo comes in
  // pieces, and an entry may be missed while others come and go.
  if (!made && topMount(await readMountinfo(), target) !== undefined) {
    throw aborted(`target_path ${target} was mounted on just now: retry`);
  }
  try {
    await volume.attachment.tree.bind(volume.path, target, parameters);
    await verify(volume, target);
  } catch (error) {
    await undo(options, made);
    if (isErrno(error, 'ENOENT', 'ENOTDIR') && (await isGone(volume))) {
      const { handle, path, attachment } = volume;
      throw notFound(`volume ${handle}: its directory ${path} does not exist in pool ${attachment.pool.name}`, {
        cause: error,
      });
    }
    throw error;
  }
}

/** A pod must see the volume or nothing: neither the local disk nor another directory. */
async function verify({ attachment, handle, path }: NodeVolume, target: string): Promise<void> {
  for (let attempt = 0; attempt < 2; attempt++) {
    const top = topMount(await readMountinfo(), target);
    if (top === undefined) continue;
    if (publishKind(top, { location: attachment.location, path }) === 'live') return;
    throw unavailable(
      `volume ${handle}: what is mounted at ${target} is ${top.root} of device ${top.dev}, not the volume; ` +
        'it was unmounted again, retry',
    );
  }
  throw unavailable(`volume ${handle}: the mount at ${target} vanished as soon as it was made; retry`);
}

/** Also after a call that did not come back in time, of which nobody knows yet whether it mounts. */
async function undo({ io, log, volume, target }: BindOptions, made: boolean): Promise<void> {
  try {
    await unmountAll(io, volume.attachment.pool.name, target, log);
    if (made) await removeTarget(io, target);
  } catch (error) {
    log.warn({ target, error: messageOf(error) }, 'a publish that failed was not undone; unpublish it');
  }
}

async function isGone({ attachment, path }: NodeVolume): Promise<boolean> {
  return (await attachment.tree.stat(path))?.type !== 'directory';
}
