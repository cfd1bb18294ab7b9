import { join } from 'node:path';
import { bootId, isProcessAlive, pidNamespace } from '../linux/process-info.js';
import { readOwnFile, writePrivateFile } from './private-files.js';
import type { ProcessId } from './running-process.js';

/** The device number of a client's mount, as in mountinfo, and the process behind it. */
export interface ClientDevice extends ProcessId {
  readonly dev: string;
}

interface DeviceFile {
  /** Device numbers and pids mean something in one boot and one pid namespace. */
  readonly epoch: string;
  readonly devices: readonly ClientDevice[];
}

function isDevice(value: unknown): value is ClientDevice {
  const { dev, pid, startTime } = (value ?? {}) as Record<string, unknown>;
  return typeof dev === 'string' && typeof pid === 'number' && typeof startTime === 'string';
}

function parse(text: string): DeviceFile | undefined {
  try {
    const { epoch, devices } = JSON.parse(text) as Record<string, unknown>;
    if (typeof epoch !== 'string' || !Array.isArray(devices)) return undefined;
    return { epoch, devices: devices.filter(isDevice) };
  } catch {
    return undefined;
  }
}

/**
 * The device numbers of the clients that a pool had on this machine: binds of a client that is gone are told by them,
 * wherever they are, also after the death of whoever started it. A number comes back once no mount has it, so it is
 * forgotten then.
 */
export class ClientDevices {
  readonly #file: string;
  #last: Promise<unknown> = Promise.resolve();

  /** @param directory of the client: log and pid file */
  constructor(directory: string) {
    this.#file = join(directory, 'devices.json');
  }

  /** Before the first bind of that client's mount. */
  add(device: ClientDevice): Promise<void> {
    return this.#change((devices) => [...devices.filter(({ dev }) => dev !== device.dev), device]);
  }

  /** Numbers of clients whose process is gone. */
  async dead(): Promise<string[]> {
    const devices = await this.#inOrder(() => this.#read());
    const alive = await Promise.all(devices.map(({ pid, startTime }) => isProcessAlive(pid, startTime)));
    return devices.filter((_, index) => alive[index] === false).map(({ dev }) => dev);
  }

  forget(numbers: readonly string[]): Promise<void> {
    return this.#change((devices) => devices.filter(({ dev }) => !numbers.includes(dev)));
  }

  async #read(): Promise<readonly ClientDevice[]> {
    const text = await readOwnFile(this.#file);
    const file = text === undefined ? undefined : parse(text);
    return file?.epoch === (await currentEpoch()) ? file.devices : [];
  }

  #change(change: (devices: readonly ClientDevice[]) => readonly ClientDevice[]): Promise<void> {
    return this.#inOrder(async () => {
      const file: DeviceFile = { epoch: await currentEpoch(), devices: change(await this.#read()) };
      await writePrivateFile(this.#file, `${JSON.stringify(file)}\n`);
    });
  }

  #inOrder<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

async function currentEpoch(): Promise<string> {
  return `${await bootId()} ${await pidNamespace()}`;
}
