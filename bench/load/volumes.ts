import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { CreateVolumeRequest } from '../../src/gen/csi/v1/CreateVolumeRequest.js';
import type { CreateVolumeResponse__Output } from '../../src/gen/csi/v1/CreateVolumeResponse.js';
import type { VolumeCapability } from '../../src/gen/csi/v1/VolumeCapability.js';
import type { VolumeContentSource } from '../../src/gen/csi/v1/VolumeContentSource.js';
import type { Sample } from '../sample.js';
import type { CsiSocket } from './csi-socket.js';
import { inFlight } from './in-flight.js';

const MiB = 1024 * 1024;

/** ReadWriteMany on a mounted directory. */
const CAPABILITY: VolumeCapability = {
  mount: { fs_type: '', mount_flags: [] },
  access_mode: { mode: 'MULTI_NODE_MULTI_WRITER' },
};

/** A volume as its driver described it. */
export interface Volume {
  readonly id: string;
  readonly context: Readonly<Record<string, string>>;
}

export interface LoadOptions {
  readonly name: string;
  readonly socket: CsiSocket;
  readonly parameters: Readonly<Record<string, string>>;
  /** For staging and target paths; the driver has to reach it. */
  readonly directory: string;
}

/** Asks one driver for volumes, as a container orchestrator does. */
export class VolumeLoad {
  readonly name: string;
  readonly socket: CsiSocket;
  readonly #options: LoadOptions;
  readonly #volumes = new Map<string, Volume>();

  constructor(options: LoadOptions) {
    this.name = options.name;
    this.socket = options.socket;
    this.#options = options;
  }

  async createOne(name: string, sizeMiB = 1, source?: VolumeContentSource): Promise<Volume> {
    const request: CreateVolumeRequest = {
      name,
      capacity_range: { required_bytes: sizeMiB * MiB },
      volume_capabilities: [CAPABILITY],
      parameters: { ...this.#options.parameters },
      ...(source === undefined ? {} : { volume_content_source: source }),
    };
    const { volume } = await this.socket.call<CreateVolumeResponse__Output>('Controller', 'CreateVolume', request);
    if (volume === null) throw new Error(`${this.name}: CreateVolume ${name} answered no volume`);
    const made = { id: volume.volume_id, context: volume.volume_context };
    this.#volumes.set(name, made);
    return made;
  }

  create(names: readonly string[], most: number): Promise<Sample> {
    return inFlight(names, most, (name) => this.createOne(name));
  }

  /** @throws Error for a volume that was never made */
  volume(name: string): Volume {
    const known = this.#volumes.get(name);
    if (known === undefined) throw new Error(`${this.name}: there is no volume ${name}`);
    return known;
  }

  /** Takes over a volume that another process of the same driver made. */
  adopt(name: string, volume: Volume): void {
    this.#volumes.set(name, volume);
  }

  delete(names: readonly string[], most: number): Promise<Sample> {
    return inFlight(names, most, async (name) => {
      await this.socket.call('Controller', 'DeleteVolume', { volume_id: this.volume(name).id });
      this.#volumes.delete(name);
    });
  }

  /** Makes the directories that kubelet makes before it calls a driver. */
  async prepareTargets(names: readonly string[]): Promise<void> {
    for (const name of names) {
      await mkdir(this.#staging(name), { recursive: true });
      await mkdir(join(this.#options.directory, 'pods', name), { recursive: true });
    }
  }

  async publishOne(name: string): Promise<void> {
    const { id, context } = this.volume(name);
    const request = {
      volume_id: id,
      volume_context: context,
      volume_capability: CAPABILITY,
      staging_target_path: this.#staging(name),
    };
    await this.socket.call('Node', 'NodeStageVolume', request);
    await this.socket.call('Node', 'NodePublishVolume', { ...request, target_path: this.target(name) });
  }

  publish(names: readonly string[], most: number): Promise<Sample> {
    return inFlight(names, most, (name) => this.publishOne(name));
  }

  async unpublishOne(name: string): Promise<void> {
    const volume_id = this.volume(name).id;
    await this.socket.call('Node', 'NodeUnpublishVolume', { volume_id, target_path: this.target(name) });
  }

  unpublish(names: readonly string[], most: number): Promise<Sample> {
    return inFlight(names, most, (name) => this.unpublishOne(name));
  }

  unstage(names: readonly string[]): Promise<Sample> {
    return inFlight(names, 1, async (name) => {
      const volume_id = this.volume(name).id;
      await this.socket.call('Node', 'NodeUnstageVolume', { volume_id, staging_target_path: this.#staging(name) });
    });
  }

  /** Where a published volume is seen. */
  target(name: string): string {
    return join(this.#options.directory, 'pods', name, 'mount');
  }

  #staging(name: string): string {
    return join(this.#options.directory, 'staging', name);
  }
}
