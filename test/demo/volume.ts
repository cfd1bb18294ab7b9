import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { VolumeCapability } from '../../src/gen/csi/v1/VolumeCapability.js';
import type { CsiClient } from '../lib/csi-client.js';

const CAPABILITY: VolumeCapability = { mount: {}, access_mode: { mode: 'MULTI_NODE_MULTI_WRITER' } };

export interface DemoVolume {
  readonly id: string;
  readonly bytes: number;
  readonly context: Readonly<Record<string, string>>;
}

/** What external-provisioner and kubelet do with a volume, in their order. */
export class VolumeUser {
  readonly #client: CsiClient;
  readonly #kubeletDir: string;

  constructor(client: CsiClient, kubeletDir: string) {
    this.#client = client;
    this.#kubeletDir = kubeletDir;
  }

  async create(name: string, bytes: number): Promise<DemoVolume> {
    const { volume } = await this.#client.controller.CreateVolume({
      name,
      capacity_range: { required_bytes: String(bytes) },
      volume_capabilities: [CAPABILITY],
    });
    if (volume === null) throw new Error('CreateVolume answered without a volume');
    return { id: volume.volume_id, bytes: Number(volume.capacity_bytes), context: volume.volume_context };
  }

  async expand(volume: DemoVolume, bytes: number): Promise<DemoVolume> {
    const { capacity_bytes } = await this.#client.controller.ControllerExpandVolume({
      volume_id: volume.id,
      capacity_range: { required_bytes: String(bytes) },
      volume_capability: CAPABILITY,
    });
    return { ...volume, bytes: Number(capacity_bytes) };
  }

  async delete(volume: DemoVolume): Promise<void> {
    await this.#client.controller.DeleteVolume({ volume_id: volume.id });
  }

  async stage(volume: DemoVolume): Promise<void> {
    const staging_target_path = this.#staging();
    await mkdir(staging_target_path, { recursive: true });
    await this.#client.node.NodeStageVolume({
      volume_id: volume.id,
      staging_target_path,
      volume_capability: CAPABILITY,
      volume_context: volume.context,
    });
  }

  async unstage(volume: DemoVolume): Promise<void> {
    await this.#client.node.NodeUnstageVolume({ volume_id: volume.id, staging_target_path: this.#staging() });
  }

  /** @returns the path at which the pod would find the volume */
  async publish(volume: DemoVolume, pod: string): Promise<string> {
    const target_path = this.#target(pod);
    await mkdir(join(target_path, '..'), { recursive: true });
    await this.#client.node.NodePublishVolume({
      volume_id: volume.id,
      staging_target_path: this.#staging(),
      target_path,
      volume_capability: CAPABILITY,
      volume_context: volume.context,
    });
    return target_path;
  }

  async unpublish(volume: DemoVolume, pod: string): Promise<void> {
    await this.#client.node.NodeUnpublishVolume({ volume_id: volume.id, target_path: this.#target(pod) });
  }

  /** Bytes that kubelet would show in its volume metrics. */
  async stats(volume: DemoVolume, pod: string): Promise<{ readonly total: number; readonly used: number }> {
    const { usage } = await this.#client.node.NodeGetVolumeStats({
      volume_id: volume.id,
      volume_path: this.#target(pod),
    });
    const bytes = usage.find(({ unit }) => unit === 'BYTES');
    return { total: Number(bytes?.total), used: Number(bytes?.used) };
  }

  async count(): Promise<number> {
    return (await this.#client.controller.ListVolumes({})).entries.length;
  }

  #staging(): string {
    return join(this.#kubeletDir, 'plugins/kubernetes.io/csi/csi.kayal.storage/demo/globalmount');
  }

  #target(pod: string): string {
    return join(this.#kubeletDir, 'pods', pod, 'volumes/kubernetes.io~csi/demo/mount');
  }
}
