import { readdir } from 'node:fs/promises';
import { basename } from 'node:path';
import { failedPrecondition, isErrno, messageOf, unavailable } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { blankStart, inspectDevice, type BlockDevice } from '../linux/block-device.js';
import type { IoWorkers } from '../linux/io-workers.js';
import { makeFilesystem } from '../linux/make-filesystem.js';
import { prepareTargetDirectory } from '../linux/mount.js';
import { readMountinfo, topMount } from '../linux/mountinfo.js';
import type { HalfFormatted } from './half-formatted.js';

export interface BrickDeviceOptions {
  readonly io: IoWorkers;
  /** Key of the io workers. */
  readonly key: string;
  readonly device: string;
  /** Where its filesystem is to be; the parent directory is there. */
  readonly mountPoint: string;
  /** Whether a blank device gets a filesystem. */
  readonly mayMake: boolean;
  /** Of this brick. */
  readonly half: HalfFormatted;
  readonly log: Logger;
}

/** Not somebody's: what mkfs leaves. */
const NOBODYS = new Set(['lost+found']);

async function isMounted({ device, mountPoint }: BrickDeviceOptions, { dev }: BlockDevice): Promise<boolean> {
  const entry = topMount(await readMountinfo(), mountPoint);
  if (entry === undefined) return false;
  if (entry.dev === dev) return true;
  throw failedPrecondition(`${mountPoint} is the mount point of ${entry.source}, where ${device} should be`);
}

/** With project quota where the kernel has it; that can only be said when it is mounted (xfs(5)). */
async function mount({ io, key, device, mountPoint, log }: BrickDeviceOptions): Promise<void> {
  await prepareTargetDirectory(io, key, mountPoint, 0o700);
  const how = { device, fsType: 'xfs', flags: ['noatime', 'nodev', 'nosuid'] as const };
  try {
    await io.run(key, 'mountFilesystem', [mountPoint, { ...how, data: 'prjquota' }]);
    return;
  } catch (error) {
    if (!isErrno(error, 'EINVAL', 'ENOSYS', 'EOPNOTSUPP')) throw refusal(device, error);
    log.info({ device, error: messageOf(error) }, 'not mounted with project quota, which this kernel may lack');
  }
  try {
    await io.run(key, 'mountFilesystem', [mountPoint, { ...how, data: '' }]);
  } catch (error) {
    throw refusal(device, error);
  }
}

function refusal(device: string, cause: unknown): Error {
  return unavailable(`the XFS of ${device} cannot be mounted: ${messageOf(cause)}; see the kernel's log of this node`, {
    cause,
  });
}

/** Formats a device that is blank, or whose formatting was cut short, and mounts it. */
async function format(options: BrickDeviceOptions, { dev, bytes }: BlockDevice): Promise<void> {
  const { device, half, log } = options;
  log.info({ device, bytes }, 'a blank device gets an XFS');
  await half.begin({ dev, bytes });
  await makeFilesystem(device, 'xfs');
  await mount(options);
  await half.end();
}

async function formatAgain(options: BrickDeviceOptions, found: BlockDevice): Promise<void> {
  options.log.warn({ device: options.device }, 'its formatting was cut short: it begins again');
  await blankStart(options.device);
  await format(options, found);
}

/**
 * Sees to it that the filesystem of a brick's device is mounted. A device is formatted when it is blank, and never when it
 * holds anything.
 * @throws KayalError FAILED_PRECONDITION that says what it holds, UNAVAILABLE when it is away or cannot be mounted
 */
export async function mountBrickDevice(options: BrickDeviceOptions): Promise<void> {
  const { device, half, mayMake } = options;
  const found = await inspectDevice(device);
  if (await isMounted(options, found)) return;
  const { content } = found;
  const isOurs = mayMake && (await half.isBegun(found));
  if (content.kind === 'xfs') {
    try {
      await mount(options);
    } catch (error) {
      if (!isOurs) throw error;
      await formatAgain(options, found);
    }
    return;
  }
  if (content.kind === 'blank') {
    if (mayMake) return format(options, found);
    throw unavailable(
      `${device} is blank, but the brick that was made on it is not new: is this the right disk? Nothing is made in its place`,
    );
  }
  // mkfs begins with zeros there, and so do we.
  if (isOurs && content.startsBlank) return formatAgain(options, found);
  throw failedPrecondition(
    `${device} holds ${content.what}, and nothing is formatted that holds anything: give the pool another device, or, if ` +
      `nobody needs what is there, make it blank (blkdiscard --zeroout ${device})`,
  );
}

/**
 * Makes sure that a filesystem on which a brick is to be made is nobody's.
 * @throws KayalError FAILED_PRECONDITION
 */
export async function refuseUsedFilesystem(device: string, mountPoint: string, brick: string): Promise<void> {
  const names = (await readdir(mountPoint)).filter((name) => !NOBODYS.has(name) && name !== basename(brick));
  if (names.length === 0) return;
  throw failedPrecondition(
    `${device} holds an XFS with files (${names.slice(0, 5).join(', ')}${names.length > 5 ? ', …' : ''}): give the pool a ` +
      'device that is blank',
  );
}
