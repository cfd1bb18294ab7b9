import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { CreateVolumeRequest } from '../../../src/gen/csi/v1/CreateVolumeRequest.js';
import type { VolumeContentSource } from '../../../src/gen/csi/v1/VolumeContentSource.js';
import { driverPaths } from '../driver.js';
import { MiB, SHARED, createRequest } from '../requests.js';
import { sleep } from '../wait.js';
import { differenceOf, readFiles, writeSafely, type PodErrors } from './pod-files.js';
import type { Random } from './random.js';
import type { Sidecar } from './sidecar.js';
import type { Files, Told } from './told.js';

const SIZE_MIB = 8;
const GROWN_MIB = 12;
const MAX_FILES = 3;
const MAX_FILE_BYTES = 192 * 1024;
const LOOK_AGAIN_MS = 5_000;

export interface LoadClientOptions {
  /** Of the driver. */
  readonly directory: string;
  readonly sidecar: Sidecar;
  readonly random: Random;
  readonly told: Told;
  readonly podErrors: PodErrors;
}

/** Lets volumes live, one after the other, as users in a cluster would, and notes what it was told. */
export class LoadClient {
  readonly #options: LoadClientOptions;

  constructor(options: LoadClientOptions) {
    this.#options = options;
  }

  /**
   * Creates, publishes, writes, snapshots; sometimes expands, clones, restores; then deletes some of all that.
   * @throws Error for the first answer that was not to be expected, and for content that is not what was written
   */
  async live(id: string): Promise<void> {
    const { random, told } = this.#options;
    const snapshot = `${id}-snap`;
    await this.#create(id);
    await this.#used(id, async (path) => {
      await this.#write(id, path, ['first', 'd/second', 'third'].slice(0, 1 + random.below(MAX_FILES)));
      await this.#snapshot(snapshot, id);
      // What the snapshot must not have.
      await this.#write(id, path, ['first', 'later']);
      if (random.chance(0.25)) await this.#expand(id);
    });
    const clone = `${id}-clone`;
    if (random.chance(0.2)) {
      const source = random.chance(0.5) ? snapshot : id;
      await this.#create(clone, source);
      await this.#used(clone, (path) => this.#expectContent(clone, path));
      if (random.chance(0.5)) await this.delete(clone);
    }
    if (random.chance(0.5)) await this.delete(id);
    if (random.chance(0.5)) await this.deleteSnapshot(snapshot);
    else if (told.volumes.has(id)) await this.#used(id, (path) => this.#expectContent(id, path));
  }

  /** A pod reads the volume. @throws Error when it has other content than was written */
  async read(id: string): Promise<void> {
    await this.#used(id, (path) => this.#expectContent(id, path));
  }

  async delete(id: string): Promise<void> {
    await this.#options.sidecar.ask('DeleteVolume', ({ controller }, options) =>
      controller.DeleteVolume({ volume_id: this.#volume(id).handle }, options),
    );
    this.#options.told.volumeDeleted(id);
  }

  async deleteSnapshot(id: string): Promise<void> {
    await this.#options.sidecar.ask('DeleteSnapshot', ({ controller }, options) =>
      controller.DeleteSnapshot({ snapshot_id: this.#snapshotOf(id).handle }, options),
    );
    this.#options.told.snapshotDeleted(id);
  }

  #volume(id: string): { readonly handle: string; readonly limitBytes: number; readonly files: Files } {
    const volume = this.#options.told.volumes.get(id);
    if (volume === undefined) throw new Error(`volume ${id} was never told to be there`);
    return volume;
  }

  #snapshotOf(id: string): { readonly handle: string; readonly files: Files } {
    const snapshot = this.#options.told.snapshots.get(id);
    if (snapshot === undefined) throw new Error(`snapshot ${id} was never told to be there`);
    return snapshot;
  }

  /** @param from id of a snapshot or of a volume whose content it gets */
  async #create(id: string, from?: string): Promise<void> {
    const { sidecar, told, random } = this.#options;
    const source = from === undefined ? undefined : this.#source(from);
    const sizeMiB = source === undefined ? SIZE_MIB : GROWN_MIB;
    const request: CreateVolumeRequest = {
      ...createRequest(id, { sizeMiB }),
      ...(source === undefined ? {} : { volume_content_source: source.content }),
    };
    const create = () =>
      sidecar.ask('CreateVolume', ({ controller }, options) => controller.CreateVolume(request, options));
    const { volume } = await create();
    if (volume === null || Number(volume.capacity_bytes) !== sizeMiB * MiB) {
      throw new Error(`CreateVolume ${id}: answered ${JSON.stringify(volume)} for ${sizeMiB} MiB`);
    }
    const { volume_id: handle } = volume;
    // A sidecar that was restarted before it noted the answer.
    if (random.chance(0.1) && (await create()).volume?.volume_id !== handle) {
      throw new Error(`CreateVolume ${id}: made it twice`);
    }
    told.volumes.set(id, { handle, limitBytes: sizeMiB * MiB, files: source?.files ?? new Map() });
  }

  #source(id: string): { readonly content: VolumeContentSource; readonly files: Files } {
    const snapshot = this.#options.told.snapshots.get(id);
    if (snapshot !== undefined) {
      return { content: { snapshot: { snapshot_id: snapshot.handle } }, files: snapshot.files };
    }
    const { handle, files } = this.#volume(id);
    return { content: { volume: { volume_id: handle } }, files };
  }

  async #snapshot(name: string, id: string): Promise<void> {
    const { handle: source_volume_id, files } = this.#volume(id);
    const { snapshot } = await this.#options.sidecar.ask('CreateSnapshot', ({ controller }, options) =>
      controller.CreateSnapshot({ name, source_volume_id }, options),
    );
    if (snapshot?.ready_to_use !== true) throw new Error(`CreateSnapshot ${name}: ${JSON.stringify(snapshot)}`);
    this.#options.told.snapshots.set(name, { handle: snapshot.snapshot_id, files });
  }

  async #expand(id: string): Promise<void> {
    const { sidecar, told } = this.#options;
    const volume = this.#volume(id);
    const request = { volume_id: volume.handle, capacity_range: { required_bytes: GROWN_MIB * MiB } };
    const { capacity_bytes: bytes } = await sidecar.ask('ControllerExpandVolume', ({ controller }, options) =>
      controller.ControllerExpandVolume(request, options),
    );
    if (Number(bytes) !== GROWN_MIB * MiB) throw new Error(`ControllerExpandVolume ${id}: answered ${bytes} bytes`);
    told.volumes.set(id, { ...volume, limitBytes: GROWN_MIB * MiB });
  }

  /** Stages and publishes it, and takes both back afterwards. */
  async #used(id: string, work: (path: string) => Promise<void>): Promise<void> {
    const { sidecar, directory } = this.#options;
    const { handle } = this.#volume(id);
    const { kubeletDir } = driverPaths(directory);
    const target_path = join(kubeletDir, 'pods', id, 'volumes/kubernetes.io~csi/pv/mount');
    const staging_target_path = join(kubeletDir, 'plugins/kubernetes.io/csi/csi.kayal.storage', id, 'globalmount');
    for (const path of [dirname(target_path), staging_target_path]) await mkdir(path, { recursive: true });
    const stage = { volume_id: handle, staging_target_path, volume_capability: SHARED };
    await sidecar.ask('NodeStageVolume', ({ node }, options) => node.NodeStageVolume(stage, options));
    await sidecar.ask('NodePublishVolume', ({ node }, options) =>
      node.NodePublishVolume({ ...stage, target_path }, options),
    );
    await work(target_path);
    await sidecar.ask('NodeUnpublishVolume', ({ node }, options) =>
      node.NodeUnpublishVolume({ volume_id: handle, target_path }, options),
    );
    await sidecar.ask('NodeUnstageVolume', ({ node }, options) =>
      node.NodeUnstageVolume({ volume_id: handle, staging_target_path }, options),
    );
  }

  async #write(id: string, path: string, names: readonly string[]): Promise<void> {
    const { random, told, podErrors } = this.#options;
    for (const name of names) {
      const content = random.bytes(1 + random.below(MAX_FILE_BYTES));
      const hash = await writeSafely(podErrors, join(path, name), content);
      const volume = this.#volume(id);
      told.volumes.set(id, { ...volume, files: new Map(volume.files).set(name, hash) });
    }
  }

  async #expectContent(id: string, path: string): Promise<void> {
    const { files } = this.#volume(id);
    const found = await this.#options.podErrors.retried(() => readFiles(path));
    const difference = differenceOf(found, files);
    if (difference === undefined) return;
    // To know whether it is the volume that is wrong, or this one look at it.
    await sleep(LOOK_AGAIN_MS);
    const later = differenceOf(await this.#options.podErrors.retried(() => readFiles(path)), files);
    throw new Error(`volume ${id}, as its pod sees it: ${difference}; some seconds later: ${later ?? 'all is well'}`);
  }
}
