import type { KeyLock } from '../base/key-lock.js';
import type { NodeUnpublishVolumeRequest__Output } from '../gen/csi/v1/NodeUnpublishVolumeRequest.js';
import type { NodeUnpublishVolumeResponse } from '../gen/csi/v1/NodeUnpublishVolumeResponse.js';
import type { CallContext } from '../rpc/service.js';
import type { NodeDependencies } from './dependencies.js';
import { targetKey, whileLocked } from './locks.js';
import { requirePath, requireVolumeId } from './requests.js';
import { realTarget, removeTarget, unmountAll } from './target.js';

/**
 * Unmounts the target and removes it. It needs neither the record nor the pool: a volume that is gone, a pool that is
 * down or not configured any more must not keep a pod from ending.
 */
export async function unpublishVolume(
  dependencies: NodeDependencies,
  locks: KeyLock,
  request: NodeUnpublishVolumeRequest__Output,
  call: CallContext,
): Promise<NodeUnpublishVolumeResponse> {
  const handle = requireVolumeId(request.volume_id);
  const target = requirePath(request.target_path, 'target_path');
  const pool = poolName(handle);
  await whileLocked(locks, [targetKey(target)], target, () =>
    dependencies.release.use(pool, async () => {
      const real = await realTarget(target);
      if (real === undefined) return;
      await unmountAll(dependencies.io, pool, real, call.log);
      await removeTarget(dependencies.io, real);
    }),
  );
  return {};
}

/** The first part of a handle, whether or not such a pool is configured. */
export function poolName(handle: string): string {
  return handle.split('/', 1)[0] ?? handle;
}
