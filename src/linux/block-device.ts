import { open, readFile, stat, type FileHandle } from 'node:fs/promises';
import { failedPrecondition, isErrno, messageOf, unavailable } from '../base/errors.js';
import { contentOf, SIGNATURE_BYTES } from './filesystem-signature.js';
import { machine } from './machine.js';

/** What a block device holds. */
export type DeviceContent =
  | { readonly kind: 'blank' }
  | { readonly kind: 'xfs' }
  /** In words, e.g. "ext4" or "data that nobody knows". */
  | {
      readonly kind: 'other';
      readonly what: string;
      /** Its first 128 KiB are zeros. */ readonly startsBlank: boolean;
    };

export interface BlockDevice {
  /** major:minor, as in mountinfo. */
  readonly dev: string;
  readonly bytes: number;
  readonly content: DeviceContent;
}

/** Of a device's beginning and end, where filesystems, partitions, RAID and volume managers have their signatures. */
const EDGE_BYTES = 1024 * 1024;
/** Between them so many places are looked at, as signatures may have been taken off what still holds data. */
const SAMPLES = 256;
const SAMPLE_BYTES = 64 * 1024;
const SECTOR = 512;
const BLKID_TIMEOUT_MS = 30_000;
/** blkid(8): nothing was found. */
const BLKID_NOTHING = 2;

/** makedev(3) of glibc, taken apart. */
function deviceNumber(rdev: number): string {
  const value = BigInt(rdev);
  const major = ((value >> 8n) & 0xfffn) | ((value >> 32n) & 0xfffff000n);
  const minor = (value & 0xffn) | ((value >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}

const isZero = (bytes: Buffer): boolean => bytes.every((byte) => byte === 0);

async function isBlank(file: FileHandle, bytes: number): Promise<boolean> {
  const edge = Math.min(EDGE_BYTES, bytes);
  if (!isZero(await readAt(file, 0, edge)) || !isZero(await readAt(file, bytes - edge, edge))) return false;
  for (let sample = 1; sample < SAMPLES; sample++) {
    const position = Math.floor((bytes / SAMPLES) * sample);
    if (!isZero(await readAt(file, position, SAMPLE_BYTES))) return false;
  }
  return true;
}

/** What blkid(8) takes it for; only for people, who are told why a device is refused. */
async function nameContent(device: string): Promise<string> {
  try {
    const args = ['--probe', '--output', 'value', '--match-tag', 'TYPE', '--match-tag', 'PTTYPE', '--', device];
    const { stdout } = await machine.execFile('blkid', args, { timeout: BLKID_TIMEOUT_MS });
    const names = stdout.split('\n').filter((line) => line !== '');
    return names.length > 0 ? names.join(', ') : 'data of an unknown kind';
  } catch (error) {
    if (typeof error === 'object' && error !== null && 'code' in error && error.code === BLKID_NOTHING) {
      return 'data of an unknown kind';
    }
    return `data (blkid: ${messageOf(error).trim()})`;
  }
}

async function contentsOf(device: string, bytes: number): Promise<DeviceContent> {
  const file = await open(device, 'r');
  let startsBlank: boolean;
  try {
    const start = await readAt(file, 0, Math.min(EDGE_BYTES, bytes));
    if (contentOf(start) === 'xfs') return { kind: 'xfs' };
    startsBlank = contentOf(start.subarray(0, SIGNATURE_BYTES)) === 'zero';
    if (await isBlank(file, bytes)) return { kind: 'blank' };
  } finally {
    await file.close();
  }
  return { kind: 'other', what: await nameContent(device), startsBlank };
}

/**
 * Makes the beginning of a device zeros, in one step: of one that was being formatted when mkfs was killed, so that it can be
 * formatted again. Whoever calls this knows that nobody else's data is there.
 * @throws Error of blkdiscard(8)
 */
export async function blankStart(device: string): Promise<void> {
  const args = ['--force', '--zeroout', '--offset', '0', '--length', String(EDGE_BYTES), '--', device];
  await machine.execFile('blkdiscard', args, { timeout: BLKID_TIMEOUT_MS });
}

/**
 * Looks at a block device without changing it. `blank` is one that reads as zeros at its beginning, at its end and at 255
 * places between.
 * @throws KayalError UNAVAILABLE when it is not there (yet) or cannot be read, FAILED_PRECONDITION when it is something else
 */
export async function inspectDevice(device: string): Promise<BlockDevice> {
  try {
    const status = await stat(device);
    if (!status.isBlockDevice()) throw failedPrecondition(`${device} is not a block device`);
    const dev = deviceNumber(status.rdev);
    const bytes = Number(await readFile(`/sys/dev/block/${dev}/size`, 'utf8')) * SECTOR;
    if (bytes === 0) throw unavailable(`${device} has no size: there is no disk in it`);
    return { dev, bytes, content: await contentsOf(device, bytes) };
  } catch (error) {
    if (isErrno(error, 'ENOENT')) throw unavailable(`device ${device} is not there`, { cause: error });
    if (isErrno(error, 'EIO', 'ENXIO', 'ENOMEDIUM', 'ENODEV'))
      throw unavailable(`device ${device} cannot be read: ${messageOf(error)}`, { cause: error });
    throw error;
  }
}
