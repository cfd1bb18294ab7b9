import { aborted, failedPrecondition, invalidArgument, notFound } from '../base/errors.js';
import type { Attachment } from '../pools/mounts.js';
import { retryStale } from '../pools/retry-stale.js';
import type { PoolConfig } from '../pools/types.js';
import { parseHandle } from '../volumes/records/handle.js';
import { requestImport } from '../volumes/requests/import-request.js';
import { defaultDataPath } from '../volumes/records/layout.js';
import { readRecord, type VolumeRecord } from '../volumes/records/record.js';
import type { VolumeAccess } from '../volumes/requests/capabilities.js';
import { whyNotShape } from '../volumes/requests/volume-shape.js';
import { checkStaticVolume, parseStaticVolume, type StaticVolume } from '../volumes/requests/static-volume.js';
import type { NodeDependencies } from './dependencies.js';
import { poolOfHandle } from './requests.js';

/** A volume that may be served on this node. */
export interface NodeVolume {
  readonly handle: string;
  readonly attachment: Attachment;
  /** The data, relative to the root of the pool ('.' = the whole of a static-only pool). */
  readonly path: string;
  /** Absent for a static volume without a limit. */
  readonly record?: VolumeRecord | undefined;
}

type Attributes = Readonly<Record<string, string>>;

/** The attributes came through the API server, where they can be tampered with: they decide nothing, they only agree. */
function checkAttributes(handle: string, attributes: Attributes, truth: Attributes): void {
  for (const [key, value] of Object.entries(truth)) {
    const given = attributes[key];
    if (given === undefined || given === value) continue;
    throw invalidArgument(
      `volume ${handle}: volume attribute ${key} is ${JSON.stringify(given.slice(0, 256))}, the volume's is ${JSON.stringify(value)}`,
    );
  }
}

/** @throws KayalError NOT_FOUND for a volume that is gone for the CO, ABORTED for one that is still being made */
function checkState(handle: string, record: VolumeRecord): void {
  switch (record.state) {
    case 'ready':
    case 'expanding':
    // Kept for people on purpose: a PersistentVolume that names it was written by one of them.
    case 'retained':
      return;
    case 'creating':
      throw aborted(`volume ${handle} is still being ${record.imported ? 'imported' : 'created'}: retry`);
    case 'deleting':
    case 'archived':
      throw notFound(`volume ${handle} was deleted (its record is ${record.state})`);
  }
}

/** @throws KayalError INVALID_ARGUMENT when a volume of this kind cannot be used in this way */
export function checkAccess({ handle, record }: NodeVolume, access: VolumeAccess): void {
  const problem = whyNotShape(record ?? { type: 'directory' }, [access]);
  if (problem !== undefined) throw invalidArgument(`volume ${handle}: ${problem}`);
}

/** The record of a handle; undefined where there is none or can be none. */
export async function recordOf(attachment: Attachment, handle: string): Promise<VolumeRecord | undefined> {
  const parsed = attachment.pool.staticOnly ? undefined : parseHandle(handle);
  return parsed === undefined ? undefined : retryStale(() => readRecord(attachment.tree, parsed.id));
}

function servedRecord(
  attachment: Attachment,
  handle: string,
  record: VolumeRecord,
  attributes: Attributes,
): NodeVolume {
  if (record.ephemeral !== undefined) {
    throw failedPrecondition(`volume ${handle} is the inline volume of a pod: no PersistentVolume can be made of it`);
  }
  checkState(handle, record);
  const { identity } = attachment;
  if (identity !== undefined && record.poolId !== identity.id) {
    throw failedPrecondition(
      `volume ${handle} is on record for pool id ${record.poolId}, this pool is ${identity.id}: the record was copied from another pool`,
    );
  }
  checkAttributes(handle, attributes, { path: record.path, poolId: record.poolId });
  return { handle, attachment, path: record.path, record };
}

async function askForImport(
  { nodeId }: NodeDependencies,
  attachment: Attachment,
  handle: string,
  volume: StaticVolume & { readonly size: bigint },
): Promise<never> {
  const parsed = parseHandle(handle);
  if (parsed === undefined) {
    throw invalidArgument(
      `volume ${handle}: a volume with a size needs a handle <pool>/<id> whose id is 1 to 64 of letters, digits, . _ and -`,
    );
  }
  const { path, size } = volume;
  await requestImport(attachment.tree, { id: parsed.id, handle, path, size, node: nodeId });
  throw aborted(`volume ${handle}: waiting for the controller to import ${path} with a limit of ${size} bytes; retry`);
}

/**
 * Attaches the volume's pool and finds the volume in it: by its record, else, as a static volume, by its attributes.
 * Nothing is made, except the request to import a static volume that has a size.
 * @throws KayalError NOT_FOUND, INVALID_ARGUMENT when attributes and record disagree, ABORTED while the controller is
 *   needed first, UNAVAILABLE when the pool cannot be reached
 */
export async function resolveVolume(
  dependencies: NodeDependencies,
  handle: string,
  attributes: Attributes,
): Promise<NodeVolume> {
  const { pool } = poolOfHandle(dependencies.config(), handle);
  checkAttributes(handle, attributes, { pool: pool.name });
  const attachment = await dependencies.pools.attach(pool);
  const { identity } = attachment;
  if (identity !== undefined) checkAttributes(handle, attributes, { poolId: identity.id });
  const record = await recordOf(attachment, handle);
  if (record !== undefined) return servedRecord(attachment, handle, record, attributes);
  return staticVolume(dependencies, pool, attachment, handle, attributes);
}

/** CreateVolume gives its volumes a poolId and mostly a default path; such a volume without a record was deleted. */
function isStatic(handle: string, { pool, path, poolId }: Attributes): boolean {
  const id = parseHandle(handle)?.id;
  return pool !== undefined && poolId === undefined && (id === undefined || path !== defaultDataPath(id));
}

async function staticVolume(
  dependencies: NodeDependencies,
  pool: PoolConfig,
  attachment: Attachment,
  handle: string,
  attributes: Attributes,
): Promise<NodeVolume> {
  const volume = isStatic(handle, attributes) ? parseStaticVolume(pool, attributes) : undefined;
  if (volume === undefined) throw notFound(`volume ${handle} does not exist`);
  await checkStaticVolume(attachment.tree, pool, volume);
  const { path, size } = volume;
  if (size !== undefined) return askForImport(dependencies, attachment, handle, { path, size });
  return { handle, attachment, path };
}
