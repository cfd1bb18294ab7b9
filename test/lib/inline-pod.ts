import { createHash, randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { NodeGetVolumeStatsResponse__Output } from '../../src/gen/csi/v1/NodeGetVolumeStatsResponse.js';
import type { VolumeCapability } from '../../src/gen/csi/v1/VolumeCapability.js';
import { volumeIdOf } from '../../src/volumes/records/handle.js';
import { driverPaths, type Driver } from './driver.js';
import { retried } from './requests.js';

/** What kubelet gives for every inline volume (csi_mounter.go). */
const CAPABILITY: VolumeCapability = {
  mount: { fs_type: '', mount_flags: [] },
  access_mode: { mode: 'SINGLE_NODE_WRITER' },
};

/** A pod with one inline volume, as kubelet asks for it. */
export class InlinePod {
  readonly uid: string = randomUUID();
  readonly name: string;
  readonly volumeId: string;
  readonly target: string;
  readonly #driver: () => Pick<Driver, 'client'>;

  /** @param directory of the driver that plays the node */
  constructor(directory: string, driver: () => Pick<Driver, 'client'>, name = 'web') {
    this.name = name;
    this.#driver = driver;
    this.volumeId = `csi-${createHash('sha256').update(`${this.uid}scratch`).digest('hex')}`;
    const { kubeletDir } = driverPaths(directory);
    this.target = join(kubeletDir, 'pods', this.uid, 'volumes/kubernetes.io~csi/scratch/mount');
  }

  /** Kayal's own id of the volume. */
  get id(): string {
    return volumeIdOf(this.volumeId);
  }

  /** One call, without the retries. */
  async publishOnce(
    attributes: Readonly<Record<string, string>> = {},
    options: { readonly: boolean } = { readonly: false },
  ): Promise<void> {
    await mkdir(dirname(this.target), { recursive: true });
    await this.#driver().client.node.NodePublishVolume({
      volume_id: this.volumeId,
      target_path: this.target,
      volume_capability: CAPABILITY,
      readonly: options.readonly,
      volume_context: {
        ...attributes,
        'csi.storage.k8s.io/ephemeral': 'true',
        'csi.storage.k8s.io/pod.name': this.name,
        'csi.storage.k8s.io/pod.namespace': 'team',
        'csi.storage.k8s.io/pod.uid': this.uid,
        'csi.storage.k8s.io/serviceAccount.name': 'default',
      },
    });
  }

  /** @returns the path at which the pod finds its volume */
  async publish(attributes: Readonly<Record<string, string>> = {}): Promise<string> {
    await retried(() => this.publishOnce(attributes));
    return this.target;
  }

  /** Also the directory that kubelet has for the volume. */
  async unpublish(): Promise<void> {
    await retried(() =>
      this.#driver().client.node.NodeUnpublishVolume({ volume_id: this.volumeId, target_path: this.target }),
    );
    await this.forget();
  }

  stats(): Promise<NodeGetVolumeStatsResponse__Output> {
    return this.#driver().client.node.NodeGetVolumeStats({ volume_id: this.volumeId, volume_path: this.target });
  }

  /** Kubelet's directory of a pod, which has no mount any more. */
  async forget(): Promise<void> {
    await rm(join(dirname(this.target), '../../..'), { recursive: true, force: true });
  }
}
