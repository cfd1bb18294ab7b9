import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { CreateVolumeRequest } from '../../src/gen/csi/v1/CreateVolumeRequest.js';
import type { VolumeCapability } from '../../src/gen/csi/v1/VolumeCapability.js';
import { driverPaths, type Driver } from './driver.js';
import { MiB, retried } from './requests.js';

type Mode = NonNullable<VolumeCapability['access_mode']>['mode'];

export function mounted(mode: Mode = 'SINGLE_NODE_WRITER', fsType = ''): VolumeCapability {
  return { mount: { fs_type: fsType, mount_flags: [] }, access_mode: { mode } };
}

export function block(mode: Mode = 'SINGLE_NODE_WRITER'): VolumeCapability {
  return { block: {}, access_mode: { mode } };
}

export interface UserWish {
  readonly sizeMiB: number;
  readonly capability: VolumeCapability;
  readonly parameters?: Readonly<Record<string, string>> | undefined;
  readonly source?: CreateVolumeRequest['volume_content_source'];
}

/** Uses volumes as kubelet does: a staging path per volume, targets per pod. */
export class VolumeUser {
  readonly #directory: string;
  readonly #driver: () => Driver;

  constructor(directory: string, driver: () => Driver) {
    this.#directory = directory;
    this.#driver = driver;
  }

  /** @returns the volume's handle */
  async create(name: string, { sizeMiB, capability, parameters, source }: UserWish): Promise<string> {
    const request: CreateVolumeRequest = {
      name,
      capacity_range: { required_bytes: sizeMiB * MiB },
      volume_capabilities: [capability],
      parameters: parameters ?? {},
      ...(source === undefined ? {} : { volume_content_source: source }),
    };
    const { volume } = await retried(() => this.#driver().client.controller.CreateVolume(request), 240_000);
    return volume?.volume_id ?? '';
  }

  stagingPath(handle: string): string {
    const { kubeletDir } = driverPaths(this.#directory);
    return join(kubeletDir, 'plugins/kubernetes.io/csi', handle.replaceAll('/', '-'), 'globalmount');
  }

  target(handle: string, pod = 'pod'): string {
    const { kubeletDir } = driverPaths(this.#directory);
    return join(kubeletDir, 'pods', pod, 'volumes', handle.replaceAll('/', '-'));
  }

  async stage(handle: string, capability: VolumeCapability): Promise<void> {
    const staging_target_path = this.stagingPath(handle);
    await mkdir(staging_target_path, { recursive: true });
    const request = { volume_id: handle, staging_target_path, volume_capability: capability };
    await retried(() => this.#driver().client.node.NodeStageVolume(request));
  }

  /** @returns where the pod finds the volume */
  async publish(
    handle: string,
    capability: VolumeCapability,
    { pod, readonly = false }: { pod?: string; readonly?: boolean } = {},
  ): Promise<string> {
    const target_path = this.target(handle, pod);
    await mkdir(dirname(target_path), { recursive: true });
    const request = {
      volume_id: handle,
      staging_target_path: this.stagingPath(handle),
      target_path,
      volume_capability: capability,
      readonly,
    };
    await this.#driver().client.node.NodePublishVolume(request);
    return target_path;
  }

  /** Stages and publishes. */
  async use(handle: string, capability: VolumeCapability): Promise<string> {
    await this.stage(handle, capability);
    return this.publish(handle, capability);
  }

  async unpublish(handle: string, pod?: string): Promise<void> {
    const request = { volume_id: handle, target_path: this.target(handle, pod) };
    await retried(() => this.#driver().client.node.NodeUnpublishVolume(request));
  }

  async unstage(handle: string): Promise<void> {
    const request = { volume_id: handle, staging_target_path: this.stagingPath(handle) };
    await retried(() => this.#driver().client.node.NodeUnstageVolume(request));
  }

  /** Ends what `use` began. */
  async leave(handle: string): Promise<void> {
    await this.unpublish(handle);
    await this.unstage(handle);
  }

  async remove(handle: string): Promise<void> {
    await retried(() => this.#driver().client.controller.DeleteVolume({ volume_id: handle }));
  }

  /** Grows the volume, on the controller and on the node. @returns whether the node was needed */
  async expand(handle: string, sizeMiB: number): Promise<boolean> {
    const range = { required_bytes: sizeMiB * MiB };
    const { controller, node } = this.#driver().client;
    const { node_expansion_required } = await retried(() =>
      controller.ControllerExpandVolume({ volume_id: handle, capacity_range: range }),
    );
    const request = {
      volume_id: handle,
      volume_path: this.target(handle),
      staging_target_path: this.stagingPath(handle),
      capacity_range: range,
    };
    if (node_expansion_required) await retried(() => node.NodeExpandVolume(request));
    return node_expansion_required;
  }
}
