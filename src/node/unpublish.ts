import type { KeyLock } from '../base/key-lock.js';
import type { NodeUnpublishVolumeRequest__Output } from '../gen/csi/v1/NodeUnpublishVolumeRequest.js';
import type { NodeUnpublishVolumeResponse } from '../gen/csi/v1/NodeUnpublishVolumeResponse.js';
import type { CallContext } from '../rpc/service.js';
import { isInlineVolumeId } from '../volumes/requests/inline-attributes.js';
import type { NodeDependencies } from './dependencies.js';
import { targetKey, volumeKey, whileLocked } from './locks.js';
import { requirePath, requireVolumeId } from './requests.js';
import { realTarget, removeTarget, unmountAll } from './target.js';

/**
 * Unmounts the target and removes it. It needs neither the record nor the pool: a volume that is gone, a pool that is
 * down or not configured any more must not keep a pod from ending; but for a hybrid volume, whose last sync it waits for. An
 * inline volume is given back in the background.
 */
export async function unpublishVolume(
  dependencies: NodeDependencies,
  locks: KeyLock,
  request: NodeUnpublishVolumeRequest__Output,
  call: CallContext,
): Promise<NodeUnpublishVolumeResponse> {
  const volumeId = requireVolumeId(request.volume_id);
  const target = requirePath(request.target_path, 'target_path');
  const isInline = isInlineVolumeId(volumeId);
  const known = isInline ? await dependencies.inline.find(volumeId) : undefined;
  const handle = known?.handle ?? volumeId;
  const pool = isInline ? (known?.pool ?? 'unknown') : poolName(handle);
  const keys = isInline ? [targetKey(target), volumeKey(handle)] : [targetKey(target)];
  await whileLocked(locks, keys, target, () =>
    dependencies.release.use(pool, async () => {
      const real = await realTarget(target);
      if (real !== undefined) {
        await unmountAll(dependencies.io, pool, real, call.log);
        await dependencies.hybrid.unpublished(handle, real);
        await removeTarget(dependencies.io, real);
        dependencies.pods?.unpublished(real);
      }
      if (isInline) await dependencies.inline.release(volumeId);
    }),
  );
  return {};
}

/** The first part of a handle, whether or not such a pool is configured. */
export function poolName(handle: string): string {
  return handle.split('/', 1)[0] ?? handle;
}
