import { notFound } from '../base/errors.js';
import type { KeyLock } from '../base/key-lock.js';
import type { NodeStageVolumeRequest__Output } from '../gen/csi/v1/NodeStageVolumeRequest.js';
import type { NodeStageVolumeResponse } from '../gen/csi/v1/NodeStageVolumeResponse.js';
import type { NodeUnstageVolumeRequest__Output } from '../gen/csi/v1/NodeUnstageVolumeRequest.js';
import type { NodeUnstageVolumeResponse } from '../gen/csi/v1/NodeUnstageVolumeResponse.js';
import { parseCapability } from '../volumes/requests/capabilities.js';
import type { NodeDependencies } from './dependencies.js';
import { volumeKey, whileLocked } from './locks.js';
import { poolOfHandle, requirePath, requireVolumeId } from './requests.js';
import type { StagedPaths } from './staged-paths.js';
import { poolName } from './unpublish.js';
import { resolveVolume } from './volume.js';

/**
 * Brings the pool's client mount up and makes sure that the volume is there. Nothing is mounted at the staging path of
 * a directory volume: all volumes of a pool share the one client mount.
 */
export async function stageVolume(
  dependencies: NodeDependencies,
  locks: KeyLock,
  staged: StagedPaths,
  request: NodeStageVolumeRequest__Output,
): Promise<NodeStageVolumeResponse> {
  const handle = requireVolumeId(request.volume_id);
  const stagingPath = requirePath(request.staging_target_path, 'staging_target_path');
  parseCapability(request.volume_capability);
  const { pool } = poolOfHandle(dependencies.config(), handle);
  await whileLocked(locks, [volumeKey(handle)], `volume ${handle}`, () =>
    dependencies.release.use(pool.name, async () => {
      const { attachment, path } = await resolveVolume(dependencies, handle, request.volume_context);
      const entry = await attachment.tree.stat(path);
      if (entry?.type !== 'directory') {
        throw notFound(`volume ${handle}: its directory ${path} does not exist in pool ${pool.name}`);
      }
      staged.add(handle, stagingPath, path);
    }),
  );
  return {};
}

/** Nothing was mounted, so nothing is unmounted; the client mount ends some time after its last use. */
export async function unstageVolume(
  dependencies: NodeDependencies,
  staged: StagedPaths,
  request: NodeUnstageVolumeRequest__Output,
): Promise<NodeUnstageVolumeResponse> {
  const handle = requireVolumeId(request.volume_id);
  const stagingPath = requirePath(request.staging_target_path, 'staging_target_path');
  await dependencies.release.use(poolName(handle), () => {
    staged.remove(handle, stagingPath);
    return Promise.resolve();
  });
  return {};
}
