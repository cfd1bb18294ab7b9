import { notFound } from '../base/errors.js';
import type { KeyLock } from '../base/key-lock.js';
import type { NodeStageVolumeRequest__Output } from '../gen/csi/v1/NodeStageVolumeRequest.js';
import type { NodeStageVolumeResponse } from '../gen/csi/v1/NodeStageVolumeResponse.js';
import type { NodeUnstageVolumeRequest__Output } from '../gen/csi/v1/NodeUnstageVolumeRequest.js';
import type { NodeUnstageVolumeResponse } from '../gen/csi/v1/NodeUnstageVolumeResponse.js';
import type { CallContext } from '../rpc/service.js';
import { parseCapability } from '../volumes/requests/capabilities.js';
import { requireAttached } from './attached.js';
import type { NodeDependencies } from './dependencies.js';
import { volumeKey, whileLocked } from './locks.js';
import { hybridVolumeOf } from './hybrid/local-image.js';
import { stageImage } from './images/stage.js';
import { imageVolumeOf, unstageImage } from './images/unstage.js';
import { poolOfHandle, requirePath, requireVolumeId } from './requests.js';
import type { StagedPaths } from './staged-paths.js';
import { poolName } from './unpublish.js';
import { checkAccess, resolveVolume } from './volume.js';

/**
 * Brings the pool's client mount up and makes sure that the volume is there. Nothing is mounted at the staging path of
 * a directory volume: all volumes of a pool share the one client mount. An image is attached, and the filesystem in it
 * mounted; so is the copy on this node of a hybrid volume.
 */
export async function stageVolume(
  dependencies: NodeDependencies,
  locks: KeyLock,
  staged: StagedPaths,
  request: NodeStageVolumeRequest__Output,
  call: CallContext,
): Promise<NodeStageVolumeResponse> {
  const handle = requireVolumeId(request.volume_id);
  const stagingPath = requirePath(request.staging_target_path, 'staging_target_path');
  const access = parseCapability(request.volume_capability);
  const { pool } = poolOfHandle(dependencies.config(), handle);
  await whileLocked(locks, [volumeKey(handle)], `volume ${handle}`, () =>
    dependencies.release.use(pool.name, async () => {
      const volume = await resolveVolume(dependencies, handle, request.volume_context);
      const { attachment, path } = volume;
      checkAccess(volume, access);
      await requireAttached(dependencies, volume);
      const entry = await attachment.tree.stat(path);
      if (entry?.type !== 'directory') {
        throw notFound(`volume ${handle}: its directory ${path} does not exist in pool ${pool.name}`);
      }
      const hybrid = hybridVolumeOf(volume);
      const image = imageVolumeOf(volume);
      if (hybrid !== undefined) {
        await dependencies.hybrid.stage({ volume: hybrid, access, stagingPath, log: call.log });
      } else if (image === undefined) staged.add(handle, stagingPath, path);
      else
        await stageImage({
          io: dependencies.io,
          log: call.log,
          volume: image,
          self: dependencies.self,
          access,
          stagingPath,
        });
    }),
  );
  return {};
}

/**
 * Ends what staging began: of a directory volume nothing, as the client mount ends some time after its last use. Which
 * it is, is on record; a directory that this process staged needs no look at it.
 */
export async function unstageVolume(
  dependencies: NodeDependencies,
  locks: KeyLock,
  staged: StagedPaths,
  request: NodeUnstageVolumeRequest__Output,
  call: CallContext,
): Promise<NodeUnstageVolumeResponse> {
  const handle = requireVolumeId(request.volume_id);
  const stagingPath = requirePath(request.staging_target_path, 'staging_target_path');
  await whileLocked(locks, [volumeKey(handle)], `volume ${handle}`, () =>
    dependencies.release.use(poolName(handle), async () => {
      const isDirectory = staged.get(handle, stagingPath) !== undefined;
      if (!isDirectory && !(await dependencies.hybrid.unstage(handle, stagingPath, call.log))) {
        await unstageImage(dependencies, handle, stagingPath, call.log);
      }
      staged.remove(handle, stagingPath);
    }),
  );
  return {};
}
