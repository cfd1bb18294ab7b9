import { machine } from '../linux/machine.js';
import { ownIdentity } from '../linux/process-info.js';
import { readTextFile, writePrivateFile } from '../gluster/private-files.js';

/** Which device, among those of one boot: a disk may have another name after the next one. */
export interface DeviceId {
  /** major:minor */
  readonly dev: string;
  readonly bytes: number;
}

async function textOf({ dev, bytes }: DeviceId): Promise<string> {
  const { bootId } = await ownIdentity();
  return `${JSON.stringify({ dev, bytes, bootId })}\n`;
}

/**
 * Remembers which device is being formatted: what is on one whose mkfs was killed is neither blank nor a filesystem, and only
 * who began may begin again. Lost with the pod, or with the machine's next start; then somebody has to make the device blank.
 */
export class HalfFormatted {
  readonly #file: string;

  /** @param file of this brick alone, in a directory of mode 0700 */
  constructor(file: string) {
    this.#file = file;
  }

  async begin(device: DeviceId): Promise<void> {
    await writePrivateFile(this.#file, await textOf(device));
  }

  async isBegun(device: DeviceId): Promise<boolean> {
    return (await readTextFile(this.#file)) === (await textOf(device));
  }

  async end(): Promise<void> {
    await machine.rm(this.#file, { force: true });
  }
}
