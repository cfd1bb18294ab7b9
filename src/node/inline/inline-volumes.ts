import { setTimeout as sleep } from 'node:timers/promises';
import { aborted, failedPrecondition, invalidArgument } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { readMountinfo } from '../../linux/mountinfo.js';
import type { PoolMounts } from '../../pools/mounts.js';
import type { Config, PoolConfig } from '../../pools/types.js';
import { formatHandle, volumeIdOf } from '../../volumes/records/handle.js';
import type { VolumeRecord } from '../../volumes/records/record.js';
import { isInlineVolumeId, parseInlineAttributes } from '../../volumes/requests/inline-attributes.js';
import { checkRefusal, requestInline, type InlineWish } from '../../volumes/requests/inline-request.js';
import { recordOf, type NodeVolume } from '../volume.js';
import { mountsOfInline } from './mounted.js';
import type { InlineStore } from './store.js';

/** A pod waits for the answer, and kubelet comes back only after some time, with a warning for the pod's author. */
const PATIENCE_MS = 2_000;
const LOOK_EVERY_MS = 100;

export interface InlineVolumesOptions {
  readonly nodeId: string;
  readonly config: () => Config;
  readonly pools: PoolMounts;
  readonly store: InlineStore;
  /** Sees to it that the controller removes what was released. */
  readonly settleSoon: () => void;
  readonly log: Logger;
}

/** What a pod wants, in its pool. */
export interface WantedInline {
  readonly pool: PoolConfig;
  readonly wish: InlineWish;
}

/** Where an inline volume is, as far as this node knows. */
export interface KnownInline {
  readonly pool: string;
  readonly handle: string;
}

/** The inline volumes of this node's pods: asked of the controller when they are published, given back when they are not. */
export class InlineVolumes {
  readonly #options: InlineVolumesOptions;

  constructor(options: InlineVolumesOptions) {
    this.#options = options;
  }

  /**
   * Understands the request of kubelet for an inline volume.
   * @throws KayalError INVALID_ARGUMENT, OUT_OF_RANGE
   */
  async wanted(volumeId: string, attributes: Readonly<Record<string, string>>): Promise<WantedInline> {
    const podUid = attributes['csi.storage.k8s.io/pod.uid'];
    if (!isInlineVolumeId(volumeId) || podUid === undefined || podUid === '') {
      throw invalidArgument(
        `volume ${JSON.stringify(volumeId.slice(0, 128))} is asked for as an inline volume, but not as kubelet does it: csi-<64 hex digits> with csi.storage.k8s.io/pod.uid`,
      );
    }
    const id = volumeIdOf(volumeId);
    const former = await this.#options.store.get(id);
    const { pool, ...rest } = parseInlineAttributes(this.#options.config().pools, attributes, former?.pool);
    const wish = {
      id,
      handle: formatHandle({ pool: pool.name, id }),
      volumeId,
      node: this.#options.nodeId,
      podUid,
      namespace: attributes['csi.storage.k8s.io/pod.namespace'],
      pod: attributes['csi.storage.k8s.io/pod.name'],
      ...rest,
    };
    return { pool, wish };
  }

  /**
   * The volume, asked of the controller when it is not there. The caller holds its lock, and the pool attached.
   * @param target as mountinfo shows it
   * @throws KayalError ABORTED until the controller has made it, its refusal when it does not
   */
  async provide({ pool, wish }: WantedInline, target: string): Promise<NodeVolume> {
    const { pools, store } = this.#options;
    const { id, handle } = wish;
    if ((await store.get(id))?.released === true) {
      throw aborted(`inline volume ${handle} was unpublished and is being removed; retry`);
    }
    const attachment = await pools.attach(pool);
    let record = await recordOf(attachment, handle);
    // Before anything is asked for, so that whatever comes of it is found again.
    await store.put({ id, pool: pool.name, target, released: false });
    if (record?.state !== 'ready') {
      await requestInline(attachment.tree, wish);
      for (const until = performance.now() + PATIENCE_MS; performance.now() < until; await sleep(LOOK_EVERY_MS)) {
        record = await recordOf(attachment, handle);
        if (record?.state === 'ready') break;
        await checkRefusal(attachment.tree, wish);
      }
    }
    if (record?.state !== 'ready') throw aborted(`inline volume ${handle} is being made by the controller; retry`);
    checkRecord(record, wish);
    return { handle, attachment, path: record.path, record };
  }

  /** Where a volume is that was published here; undefined for one that is not known (any more). */
  async find(volumeId: string): Promise<KnownInline | undefined> {
    const id = volumeIdOf(volumeId);
    const entry = await this.#options.store.get(id);
    return entry && { pool: entry.pool, handle: formatHandle({ pool: entry.pool, id }) };
  }

  /**
   * Called once a publish of the volume is unmounted; while there is another one it stays. The rest is done in the
   * background, also when pool or controller are down.
   */
  async release(volumeId: string): Promise<void> {
    const { store, settleSoon } = this.#options;
    const entry = await store.get(volumeIdOf(volumeId));
    if (entry === undefined || mountsOfInline(await readMountinfo(), entry.id).length > 0) return;
    await store.put({ ...entry, released: true });
    settleSoon();
  }
}

/** Nobody but the pod that it was made for gets a volume, whatever its name. */
function checkRecord(record: VolumeRecord, { handle, volumeId, podUid, node }: InlineWish): void {
  const { ephemeral, name } = record;
  if (ephemeral?.podUid === podUid && ephemeral.node === node && name === volumeId) return;
  throw failedPrecondition(`volume ${handle} exists and is no inline volume of this pod (${podUid} on ${node})`);
}
