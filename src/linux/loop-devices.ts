import { readFile, readdir } from 'node:fs/promises';
import { isErrno, KayalError, SystemError } from '../base/errors.js';
import type { IoWorkers } from './io-workers.js';
import type { LoopBacking } from './operations/loop.js';

/** A loop device that is attached to a file. */
export interface LoopDevice {
  /** N of /dev/loopN. */
  readonly number: number;
  /** Its own device number (major:minor), as mountinfo has it for a filesystem on it. */
  readonly dev: string;
  /**
   * The path of its file as this process sees it; only the part below the mount, when the mount that it was opened through
   * is gone from here; with ` (deleted)` at its end, when the file has no name any more.
   */
  readonly file: string;
  readonly readOnly: boolean;
  /** It reads and writes its file with direct I/O. */
  readonly directIo: boolean;
  /** It goes as soon as nobody has it open any more (LO_FLAGS_AUTOCLEAR): it was detached while somebody had. */
  readonly detaching: boolean;
}

async function attribute(name: string, path: string): Promise<string | undefined> {
  try {
    const text = await readFile(`/sys/block/${name}/${path}`, 'utf8');
    return text.endsWith('\n') ? text.slice(0, -1) : text;
  } catch (error) {
    // Detached meanwhile, or free: then it has no directory `loop`.
    if (isErrno(error, 'ENOENT', 'ENODEV', 'ENXIO', 'EINVAL')) return undefined;
    throw error;
  }
}

/** One device; undefined while it is attached to nothing. The kernel answers from memory, whatever hangs below it. */
export async function loopDevice(number: number): Promise<LoopDevice | undefined> {
  const name = `loop${number}`;
  const [file, dev, readOnly, directIo, autoclear] = await Promise.all(
    ['loop/backing_file', 'dev', 'ro', 'loop/dio', 'loop/autoclear'].map((path) => attribute(name, path)),
  );
  if (file === undefined || file === '' || dev === undefined) return undefined;
  return { number, dev, file, readOnly: readOnly === '1', directIo: directIo === '1', detaching: autoclear === '1' };
}

/** Every loop device of this machine that is attached to a file, whoever did it. */
export async function loopDevices(): Promise<LoopDevice[]> {
  const numbers = (await readdir('/sys/block')).flatMap((name) => {
    const match = /^loop(\d+)$/.exec(name);
    return match === null ? [] : [Number(match[1])];
  });
  const devices = await Promise.all(numbers.map(loopDevice));
  return devices.flatMap((device) => device ?? []);
}

/** The path by which a device is opened on this machine. */
export function loopPath({ number }: Pick<LoopDevice, 'number'>): string {
  return `/dev/loop${number}`;
}

/**
 * The file that a device is attached to, as its filesystem tells; undefined: to nothing any more; `dead`: its
 * server is gone; `silent`: it does not answer.
 * @param key of the io workers: the pool's that the file probably lies in
 */
export async function backingOf(
  io: IoWorkers,
  key: string,
  { number }: LoopDevice,
): Promise<LoopBacking | 'dead' | 'silent' | undefined> {
  try {
    return await io.run(key, 'loopBacking', [number], { deadlineMs: 5_000 });
  } catch (error) {
    if (error instanceof KayalError) return 'silent';
    if (error instanceof SystemError) return 'dead';
    throw error;
  }
}
