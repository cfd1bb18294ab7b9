import { lstat } from 'node:fs/promises';
import { posix } from 'node:path';
import { KayalError, invalidArgument, isErrno, messageOf, notFound } from '../base/errors.js';
import type { NodeGetVolumeStatsRequest__Output } from '../gen/csi/v1/NodeGetVolumeStatsRequest.js';
import type { NodeGetVolumeStatsResponse } from '../gen/csi/v1/NodeGetVolumeStatsResponse.js';
import type { VolumeUsage } from '../gen/csi/v1/VolumeUsage.js';
import { readMountinfo, topMount, type MountEntry } from '../linux/mountinfo.js';
import { isBeneath } from '../pools/mount-location.js';
import type { Attachment } from '../pools/mounts.js';
import type { PoolConfig } from '../pools/types.js';
import type { CallContext } from '../rpc/service.js';
import { conditionOf } from '../volumes/health/condition.js';
import { isInlineVolumeId } from '../volumes/requests/inline-attributes.js';
import { KAYAL_DIRECTORY, VOLUMES_DIRECTORY } from '../volumes/records/layout.js';
import type { VolumeRecord } from '../volumes/records/record.js';
import { within } from './deadline.js';
import type { NodeDependencies } from './dependencies.js';
import { statsOfCopy } from './hybrid/copy-stats.js';
import { hybridVolumeOf } from './hybrid/local-image.js';
import type { ImageVolume } from './images/attach.js';
import { measureImage, type MeasuredImage } from './images/measure.js';
import { imageVolumeOf } from './images/unstage.js';
import { measure } from './measure.js';
import { publishKind } from './publishes.js';
import { normalise, poolOfHandle, problemOfPath, requireVolumeId } from './requests.js';
import type { StagedPaths } from './staged-paths.js';
import { realTarget } from './target.js';
import type { UsageCounts } from './usage-counts.js';
import { recordOf, type NodeVolume } from './volume.js';

/** kubelet asks about every volume once a minute and waits for the answer. */
const ANSWER_WITHIN_MS = 5_000;

export interface StatsState {
  readonly staged: StagedPaths;
  readonly counts: UsageCounts;
}

interface Place {
  readonly handle: string;
  readonly pool: PoolConfig;
  /** What is mounted at the path that is asked about; absent for a staging path. */
  readonly mount?: MountEntry | undefined;
  /** Relative to the pool's root, when the volume was staged at that path by this process. */
  readonly stagedPath?: string | undefined;
}

const abnormal = (message: string): NodeGetVolumeStatsResponse => ({
  usage: [],
  volume_condition: { abnormal: true, message },
});

/**
 * The bytes (and inodes) of a volume and its condition. A pool that is dead or hangs is an abnormal condition, told
 * within 5 s, not an error: kubelet would learn nothing from one.
 */
export async function volumeStats(
  dependencies: NodeDependencies,
  state: StatsState,
  request: NodeGetVolumeStatsRequest__Output,
  call: CallContext,
): Promise<NodeGetVolumeStatsResponse> {
  const volumeId = requireVolumeId(request.volume_id);
  if (request.volume_path === '') throw invalidArgument('the request has no volume_path');
  const inline = isInlineVolumeId(volumeId) ? await dependencies.inline.find(volumeId) : undefined;
  const handle = inline?.handle ?? volumeId;
  const { pool } = poolOfHandle(dependencies.config(), handle);
  return dependencies.release.use(pool.name, async () => {
    const place = await find(handle, pool, request, state.staged);
    const answer = await within(ANSWER_WITHIN_MS, answerFor(dependencies, state, place, call));
    return answer ?? abnormal(`pool ${pool.name} did not answer within ${ANSWER_WITHIN_MS / 1_000} s`);
  });
}

/** @throws KayalError NOT_FOUND when the path is neither a mount nor where the volume was staged */
async function find(
  handle: string,
  pool: PoolConfig,
  request: NodeGetVolumeStatsRequest__Output,
  staged: StagedPaths,
): Promise<Place> {
  const missing = notFound(`volume ${handle} is not published at ${JSON.stringify(request.volume_path.slice(0, 256))}`);
  if (problemOfPath(request.volume_path) !== undefined) throw missing;
  const path = normalise(request.volume_path);
  const real = await realTarget(path);
  if (real === undefined) throw missing;
  const mount = topMount(await readMountinfo(), real);
  if (mount !== undefined) return { handle, pool, mount };
  const stagedPath = staged.get(handle, path);
  const isStaging = stagedPath !== undefined || normalise(request.staging_target_path) === path;
  // It is no mount point, so it lies on the local disk and does not hang.
  if (isStaging && (await isDirectory(real))) return { handle, pool, stagedPath };
  throw missing;
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isDirectory();
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}

async function answerFor(
  { io, pools, pendingHeals, uses, problemOf, hybrid }: NodeDependencies,
  { counts }: StatsState,
  place: Place,
  call: CallContext,
): Promise<NodeGetVolumeStatsResponse> {
  const { handle, pool, mount } = place;
  try {
    const trouble = mount === undefined ? undefined : await hybrid.problemAt(handle, mount);
    if (mount !== undefined && trouble !== undefined) {
      return await statsOfCopy(io, { pool: pool.name, target: mount.target, problem: trouble });
    }
    const attachment = await pools.attach(pool);
    const record = await recordOf(attachment, handle);
    const known = record && { handle, attachment, path: record.path, record };
    const copied = known && hybridVolumeOf(known);
    const image = copied === undefined ? known && imageVolumeOf(known) : await hybrid.mountedCopy(copied, mount);
    if (image !== undefined) {
      const measured = await measureImage(io, image, mount);
      if (mount !== undefined && record !== undefined) uses.note(attachment.tree, handle, record.id);
      return answerOfImage(image, measured, await pendingHeals(pool.name));
    }
    const volume = volumeAt(attachment, record, place);
    const { location } = volume.attachment;
    if (mount !== undefined && publishKind(mount, { location, path: volume.path }) === 'dead') {
      return abnormal(
        `published from a GlusterFS client that is gone (device ${mount.dev}, now ${location.dev}): it is replaced in a moment; if this stays, restart the pod`,
      );
    }
    const { usage, problem, remark } = await measure(volume, counts);
    if (mount !== undefined && volume.record !== undefined) {
      uses.note(volume.attachment.tree, handle, volume.record.id);
    }
    const { abnormal: isAbnormal, message } = conditionOf({
      pool: pool.name,
      record: volume.record,
      used: usedBytes(usage),
      problem: problem ?? problemOf?.(pool.name, volume.path),
      pendingHeals: await pendingHeals(pool.name),
    });
    return {
      usage: [...usage],
      volume_condition: { abnormal: isAbnormal, message: isAbnormal ? message : (remark ?? 'the volume answers') },
    };
  } catch (error) {
    if (error instanceof KayalError && error.code === 'NOT_FOUND') throw error;
    call.log.warn({ error: messageOf(error) }, 'volume is abnormal');
    // The kernel says so of what was asked while the client ended, which may not have come to our notice yet.
    if (isErrno(error, 'ECONNABORTED') || (isErrno(error, 'ENOTCONN') && pools.state(pool.name).state !== 'mounted')) {
      return abnormal(`volume ${handle} is served by a GlusterFS client that is gone: it is replaced in a moment`);
    }
    return abnormal(`volume ${handle} cannot be used: ${messageOf(error)}`);
  }
}

function answerOfImage(
  { record }: ImageVolume,
  { usage, fill, problem }: MeasuredImage,
  pendingHeals: number | undefined,
): NodeGetVolumeStatsResponse {
  const facts = fill && { record: { ...record, limitBytes: fill.total }, used: fill.used };
  const { abnormal: isAbnormal, message } = conditionOf({ pool: record.pool, ...facts, problem, pendingHeals });
  return {
    usage: [...usage],
    volume_condition: { abnormal: isAbnormal, message: isAbnormal ? message : 'the volume answers' },
  };
}

function usedBytes(usage: readonly VolumeUsage[]): bigint {
  return BigInt(usage.find(({ unit }) => unit === 'BYTES')?.used?.toString() ?? 0);
}

/** @throws KayalError NOT_FOUND when there is no such volume, or the path that is asked about is not one of its */
function volumeAt(attachment: Attachment, record: VolumeRecord | undefined, place: Place): NodeVolume {
  const { handle, mount, stagedPath } = place;
  const path = record?.path ?? stagedPath ?? staticPath(attachment, mount);
  if (path === undefined) throw notFound(`volume ${handle} does not exist`);
  const { location } = attachment;
  if (mount !== undefined && publishKind(mount, { location, path }) === undefined) {
    throw notFound(`volume ${handle} is not published at ${mount.target}`);
  }
  return { handle, attachment, path, record };
}

/** The request has no attributes: a volume without a record is what is mounted, when that can be a static volume. */
function staticPath({ location, pool }: Attachment, mount: MountEntry | undefined): string | undefined {
  if (mount === undefined || !isBeneath(mount.root, location.root)) return undefined;
  const path = posix.relative(location.root, mount.root);
  if (path === '') return pool.staticOnly ? '.' : undefined;
  const first = path.split('/')[0];
  const isKayals = first === KAYAL_DIRECTORY || (first === VOLUMES_DIRECTORY && !pool.staticOnly);
  return isKayals ? undefined : path;
}
