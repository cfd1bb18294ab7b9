import { alreadyExists, failedPrecondition } from '../base/errors.js';
import type { KeyLock } from '../base/key-lock.js';
import type { NodePublishVolumeRequest__Output } from '../gen/csi/v1/NodePublishVolumeRequest.js';
import type { NodePublishVolumeResponse } from '../gen/csi/v1/NodePublishVolumeResponse.js';
import { readMountinfo, topMount } from '../linux/mountinfo.js';
import type { CallContext } from '../rpc/service.js';
import { parseCapability } from '../volumes/requests/capabilities.js';
import { isInline } from '../volumes/requests/inline-attributes.js';
import { bindVolume } from './bind-volume.js';
import { isAttachedReadOnly } from './attached.js';
import type { NodeDependencies } from './dependencies.js';
import { hybridVolumeOf } from './hybrid/local-image.js';
import { publishImage } from './images/publish.js';
import { imageVolumeOf } from './images/unstage.js';
import { targetKey, volumeKey, whileLocked } from './locks.js';
import { describeOptions, hasParameters, otherTargets, publishKind, type PublishParameters } from './publishes.js';
import { poolOfHandle, requirePath, requireVolumeId } from './requests.js';
import { realTarget, unmountAll } from './target.js';
import { checkAccess, resolveVolume, type NodeVolume } from './volume.js';

interface Publish extends PublishParameters {
  readonly volume: NodeVolume;
  /** As mountinfo shows it. */
  readonly target: string;
  readonly exclusive: boolean;
}

/**
 * Binds the volume's directory on the target. Whatever is known about publishes is read from mountinfo, so that a
 * restart of this process changes nothing.
 *
 * Publishes of one volume at different targets do not exclude each other, a pod more or less on the node does not make
 * the others wait; only those of ReadWriteOncePod and of raw block volumes do.
 */
export async function publishVolume(
  dependencies: NodeDependencies,
  locks: KeyLock,
  request: NodePublishVolumeRequest__Output,
  call: CallContext,
): Promise<NodePublishVolumeResponse> {
  const volumeId = requireVolumeId(request.volume_id);
  const target = requirePath(request.target_path, 'target_path');
  const access = parseCapability(request.volume_capability);
  const { config, inline } = dependencies;
  const wanted = isInline(request.volume_context) ? await inline.wanted(volumeId, request.volume_context) : undefined;
  if (wanted === undefined && request.staging_target_path === '') {
    throw failedPrecondition(`volume ${volumeId}: the request has no staging_target_path; NodeStageVolume comes first`);
  }
  const handle = wanted?.wish.handle ?? volumeId;
  const { pool } = wanted ?? poolOfHandle(config(), handle);
  const alone = access.exclusive || access.kind === 'block' || wanted !== undefined;
  const keys = alone ? [targetKey(target), volumeKey(handle)] : [targetKey(target)];
  await whileLocked(locks, keys, `volume ${handle} at ${target}`, () =>
    dependencies.release.use(pool.name, async () => {
      const named = wanted ?? (await resolveVolume(dependencies, handle, request.volume_context));
      const real = await realTarget(target);
      if (real === undefined) {
        throw failedPrecondition(`target_path ${target}: its parent directory does not exist; the CO has to make it`);
      }
      const volume = 'wish' in named ? await inline.provide(named, real) : named;
      checkAccess(volume, access);
      const { exclusive, flags } = access;
      const readOnly = request.readonly || access.readOnly || isAttachedReadOnly(dependencies, volume);
      const hybrid = hybridVolumeOf(volume);
      const stagingPath = request.staging_target_path;
      const image =
        hybrid === undefined
          ? imageVolumeOf(volume)
          : await dependencies.hybrid.published({ volume: hybrid, access, stagingPath, readOnly, log: call.log });
      const how = { target: real, exclusive, readOnly, flags };
      if (image === undefined) await publish(dependencies, { volume, ...how }, call);
      else {
        const stagingTarget = await realTarget(requirePath(request.staging_target_path, 'staging_target_path'));
        await publishImage({ io: dependencies.io, log: call.log, volume: image, stagingTarget, ...how });
      }
      dependencies.pods?.published(pool.name, real, request.volume_context);
      if (volume.record !== undefined) dependencies.uses.note(volume.attachment.tree, handle, volume.record.id);
    }),
  );
  return {};
}

async function publish(dependencies: NodeDependencies, wanted: Publish, call: CallContext): Promise<void> {
  const { volume, target } = wanted;
  const { location, pool } = volume.attachment;
  const directory = { location, path: volume.path };
  const entries = await readMountinfo();
  const top = topMount(entries, target);
  const kind = top === undefined ? undefined : publishKind(top, directory);
  if (top !== undefined && kind === undefined) {
    throw failedPrecondition(
      `target_path ${target} has something else mounted on it (${top.fsType} from ${top.source}): unmount that first`,
    );
  }
  if (top !== undefined && kind === 'live') {
    if (hasParameters(top, location, wanted)) return;
    throw alreadyExists(
      `volume ${volume.handle} is published at ${target} already, with other options (${describeOptions(top.options)}): ` +
        'unpublish it first',
    );
  }
  refuseSecond(wanted, otherTargets(entries, directory, target));
  if (kind === 'dead') {
    call.log.warn({ target }, 'the target has a mount of a client that is gone; it is replaced');
    await unmountAll(dependencies.io, pool.name, target, call.log);
  }
  await bindVolume({ io: dependencies.io, log: call.log, volume, target, parameters: wanted });
}

/** CSI spec, NodePublishVolume: SINGLE_NODE_SINGLE_WRITER at a second target is FAILED_PRECONDITION. */
function refuseSecond({ volume, exclusive }: Publish, others: readonly string[]): void {
  if (!exclusive || others[0] === undefined) return;
  throw failedPrecondition(
    `volume ${volume.handle} may be used by one pod only (ReadWriteOncePod) and is published at ${others[0]} already`,
  );
}
