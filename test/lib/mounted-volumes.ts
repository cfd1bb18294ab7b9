import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { driverPaths, type Driver } from './driver.js';
import { SHARED, retried } from './requests.js';

/** Publishes volumes of a driver as kubelet does, and takes all of it back at the end. */
export class MountedVolumes {
  readonly #driver: () => Driver;
  readonly #targets = new Map<string, string>();
  readonly #directory: string;

  constructor(directory: string, driver: () => Driver) {
    this.#directory = directory;
    this.#driver = driver;
  }

  /** @returns the path at which a pod finds the volume */
  async path(handle: string): Promise<string> {
    const known = this.#targets.get(handle);
    if (known !== undefined) return known;
    const { kubeletDir } = driverPaths(this.#directory);
    const target = join(kubeletDir, 'pods', handle.replaceAll('/', '-'), 'volumes/kubernetes.io~csi/v/mount');
    await mkdir(dirname(target), { recursive: true });
    await mkdir(this.#staging(), { recursive: true });
    const { node } = this.#driver().client;
    const request = { volume_id: handle, staging_target_path: this.#staging(), volume_capability: SHARED };
    await retried(() => node.NodeStageVolume(request));
    await retried(() => node.NodePublishVolume({ ...request, target_path: target }));
    this.#targets.set(handle, target);
    return target;
  }

  async release(handle: string): Promise<void> {
    const target = this.#targets.get(handle);
    if (target === undefined) return;
    const { node } = this.#driver().client;
    await retried(() => node.NodeUnpublishVolume({ volume_id: handle, target_path: target }));
    await retried(() => node.NodeUnstageVolume({ volume_id: handle, staging_target_path: this.#staging() }));
    this.#targets.delete(handle);
  }

  async releaseAll(): Promise<void> {
    for (const handle of this.#targets.keys()) await this.release(handle);
  }

  #staging(): string {
    return join(driverPaths(this.#directory).kubeletDir, 'plugins/kubernetes.io/csi/csi.kayal.storage/t/globalmount');
  }
}
