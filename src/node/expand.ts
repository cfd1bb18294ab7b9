import { invalidArgument, notFound } from '../base/errors.js';
import type { KeyLock } from '../base/key-lock.js';
import type { NodeExpandVolumeRequest__Output } from '../gen/csi/v1/NodeExpandVolumeRequest.js';
import type { NodeExpandVolumeResponse } from '../gen/csi/v1/NodeExpandVolumeResponse.js';
import type { NodeDependencies } from './dependencies.js';
import { hybridVolumeOf } from './hybrid/local-image.js';
import { expandImage } from './images/expand.js';
import { imageVolumeOf } from './images/unstage.js';
import { volumeKey, whileLocked } from './locks.js';
import { poolOfHandle, requirePath, requireVolumeId } from './requests.js';
import { recordOf } from './volume.js';

/**
 * Lets an image, and the filesystem in it, have the size that the controller gave it. The limit of a directory changes on
 * the bricks: there it answers with the size alone.
 */
export async function expandVolume(
  dependencies: NodeDependencies,
  locks: KeyLock,
  request: NodeExpandVolumeRequest__Output,
): Promise<NodeExpandVolumeResponse> {
  const { config, pools, release, io } = dependencies;
  const handle = requireVolumeId(request.volume_id);
  if (request.volume_path === '') throw invalidArgument('the request has no volume_path');
  const { pool } = poolOfHandle(config(), handle);
  return whileLocked(locks, [volumeKey(handle)], `volume ${handle}`, () =>
    release.use(pool.name, async () => {
      const attachment = await pools.attach(pool);
      const record = await recordOf(attachment, handle);
      if (record === undefined) throw notFound(`volume ${handle} does not exist`);
      requirePath(request.volume_path, 'volume_path');
      const volume = { handle, attachment, path: record.path, record };
      const hybrid = hybridVolumeOf(volume);
      const image = hybrid === undefined ? imageVolumeOf(volume) : await dependencies.hybrid.expand(hybrid);
      const bytes = image === undefined ? record.limitBytes : await expandImage(io, image);
      return { capacity_bytes: String(bytes) };
    }),
  );
}
