import { invalidArgument } from '../../base/errors.js';
import { formatBytes, maxBytes, MiB } from '../../base/units.js';
import { inodeLimitProblem } from '../../quota/inode-limits.js';
import type { QuotaMechanism } from '../../quota/mechanism.js';
import { assertWhole } from '../../pools/whole-pool.js';
import { promisedBytesOf } from '../records/promised.js';
import type { VolumeRecord } from '../records/record.js';
import { describeShape, isShown } from '../requests/volume-shape.js';
import type { Session } from './session.js';

/** A filesystem rounds limits up to its blocks, at most 64 KiB. */
const ROUNDING = 65_536n;

/** What an image, or states, may take besides its content: the pool filesystem's maps of a file in many pieces, and a mkfs beside it. */
const IMAGE_ROOM_PARTS = 32n;
const LEAST_IMAGE_ROOM = 16n * MiB;
const BLOCK = 4096n;

/**
 * The limit of a volume's directory, in bytes. The size of an image is its limit, and must be there to its last byte: its
 * directory, in which nobody else can put anything, has room to spare; for two while it is being taken away from a node.
 */
export function directoryLimitOf(record: Pick<VolumeRecord, 'type' | 'limitBytes' | 'revoked'>): bigint {
  const { limitBytes, revoked } = record;
  if (isShown(record)) return limitBytes;
  const bytes = promisedBytesOf(record);
  const room = maxBytes(LEAST_IMAGE_ROOM, bytes / IMAGE_ROOM_PARTS);
  const limit = ((bytes + room + BLOCK - 1n) / BLOCK) * BLOCK;
  return revoked?.takeover === true ? 2n * limit : limit;
}

/**
 * Sets the limit of a volume's directory, wherever that lies now, and verifies it.
 * @throws as QuotaMechanism.set
 */
export async function setLimit(
  { config, tree, lease, mechanism }: Pick<Session, 'config' | 'tree' | 'lease' | 'mechanism'>,
  record: VolumeRecord,
  path: string,
): Promise<void> {
  lease.assertHeld();
  // A group that does not answer would be without the limit, and nothing would say so.
  await assertWhole(config, tree);
  const target = { path, projectId: record.quota.projectId };
  await mechanism.set(target, directoryLimitOf(record));
  if (record.inodeLimit !== undefined) await mechanism.inodes?.set(target, BigInt(record.inodeLimit));
}

/** @throws KayalError INVALID_ARGUMENT when the volume is to have a limit of inodes that nothing would keep */
export function checkInodeLimit({ mechanism }: Pick<Session, 'mechanism'>, record: VolumeRecord): void {
  if ((record.inodeLimit ?? 0) === 0) return;
  const name = `parameter inodeLimit: ${record.inodeLimit}`;
  if (!isShown(record)) {
    throw invalidArgument(`${name}: the volume is ${describeShape(record)}, whose filesystem has inodes of its own`);
  }
  if (mechanism.inodes === undefined) {
    throw invalidArgument(
      `${name}: quota ${mechanism.name} of pool ${record.pool} does not count files; quota gluster does, and project on one group of bricks`,
    );
  }
}

/** How the limit that is in force differs from the one on record; undefined when it does not, or none is kept at all. */
export async function limitProblem(mechanism: QuotaMechanism, record: VolumeRecord): Promise<string | undefined> {
  if (mechanism.name === 'none' || record.state === 'creating' || record.state === 'deleting') return undefined;
  const inForce = await mechanism.get({ path: record.path, projectId: record.quota.projectId });
  const limitBytes = directoryLimitOf(record);
  if (inForce === undefined) return `its limit of ${formatBytes(limitBytes)} is not in force, there is none`;
  const { limitRounding = ROUNDING } = mechanism;
  if (inForce >= limitBytes && inForce < limitBytes + limitRounding) return inodeProblem(mechanism, record);
  return `its limit is ${formatBytes(inForce)}, on record are ${formatBytes(limitBytes)}`;
}

async function inodeProblem(
  { inodes }: QuotaMechanism,
  { path, quota, inodeLimit }: VolumeRecord,
): Promise<string | undefined> {
  if (inodes === undefined || inodeLimit === undefined) return undefined;
  return inodeLimitProblem(await inodes.get({ path, projectId: quota.projectId }), BigInt(inodeLimit));
}
