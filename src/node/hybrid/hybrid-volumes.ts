import { aborted, failedPrecondition, KayalError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { CopyRecord } from '../../hybrid/copy-record.js';
import { copyPlace, IMAGE, readerPlace } from '../../hybrid/places.js';
import { readMountinfo, topMount, type MountEntry } from '../../linux/mountinfo.js';
import { hasTurn, heldTurn } from '../../volumes/leases/hybrid-turn.js';
import { releaseImage } from '../../volumes/leases/image-lease.js';
import { parseHandle } from '../../volumes/records/handle.js';
import type { VolumeAccess } from '../../volumes/requests/capabilities.js';
import type { ImageVolume } from '../images/attach.js';
import { detachDevice, isMountOf, targetsOf } from '../images/devices.js';
import { stageImage } from '../images/stage.js';
import { whileLocked } from '../locks.js';
import { realTarget, unmountAll } from '../target.js';
import { ActiveCopies, hybridKey, type ActiveCopiesOptions } from './active-copies.js';
import type { ActiveCopy } from './active-copy.js';
import { Copies } from './copies.js';
import { hasPlace } from './left-copies.js';
import { LOCAL, localId, localImage, type HybridVolume } from './local-image.js';
import { TurnTaker } from './turn-taker.js';

export interface HybridVolumesOptions extends Omit<ActiveCopiesOptions, 'copies'> {
  /** --hybrid-dir */
  readonly directory: string;
  /** --hybrid-size; absent: as much as its filesystem has. */
  readonly maxBytes?: bigint | undefined;
}

export interface HybridStage {
  readonly volume: HybridVolume;
  readonly access: VolumeAccess;
  readonly stagingPath: string;
  readonly log: Logger;
}

/** The hybrid volumes of this node: their working copies, and the syncs of these. */
export class HybridVolumes {
  readonly #options: HybridVolumesOptions;
  readonly #copies: Copies;
  readonly #active: ActiveCopies;
  readonly #turns: TurnTaker;
  #started: Promise<void> | undefined;

  constructor(options: HybridVolumesOptions) {
    const { io, log, directory, maxBytes } = options;
    this.#options = options;
    this.#copies = new Copies({ io, log, directory, maxBytes });
    this.#active = new ActiveCopies({ ...options, copies: this.#copies });
    this.#turns = new TurnTaker(options);
  }

  /** Volumes that are written to on this node. */
  get active(): readonly ActiveCopy[] {
    return this.#active.all;
  }

  /**
   * Goes on with what a former process had under way. Calls may come before this is done, or was begun: whatever they want of a
   * volume waits for it, or a pod could end without its last sync.
   */
  start(): Promise<void> {
    this.#started ??= this.#active.start().catch((error: unknown) => {
      this.#started = undefined;
      throw error;
    });
    return this.#started;
  }

  /** What is wrong with the copy that is mounted there, besides what its filesystem says; undefined: nothing. */
  async problemAt(handle: string, mount: MountEntry): Promise<string | undefined> {
    const active = this.#active.get(handle);
    if (active?.problem === undefined) return undefined;
    const device = await this.#copies.device(active.place);
    if (device === undefined || !isMountOf(mount, device)) return undefined;
    if (active.lost) return active.problem;
    return `its pool is behind, and has it as of ${active.copy.state?.reaches ?? 'never'}: ${active.problem}`;
  }

  /** Whether a volume was ever staged here as a hybrid one; told without the pool. */
  #isKnown({ pool, id }: { readonly pool: string; readonly id: string }): Promise<boolean> {
    return hasPlace(this.#copies.directory, copyPlace(pool, id));
  }

  /** One change at a time of what this node has of a volume: publishes at several targets may meet. */
  async #alone<T>(handle: string, work: () => Promise<T>): Promise<T> {
    await this.start();
    return whileLocked(this.#options.locks, [hybridKey(handle)], `volume ${handle}`, work);
  }

  /**
   * Makes a volume ready for its pods: with a copy that they write to, when this node gets the volume's turn. Where another node
   * has it, a volume that several nodes may use is staged all the same, for those that only read it.
   * @throws KayalError FAILED_PRECONDITION naming the node that writes it; ABORTED while it is copied
   */
  stage(wish: HybridStage): Promise<void> {
    const { volume, access, log } = wish;
    return this.#alone(volume.handle, async () => {
      if (access.readOnly) return this.#stageReader(wish);
      try {
        await this.#stageWriter(wish);
      } catch (error) {
        const isHeld = error instanceof KayalError && error.code === 'FAILED_PRECONDITION';
        const held = isHeld && access.multiNode ? await heldTurn(volume.attachment.tree, volume.record.id) : undefined;
        if (held === undefined || held.holder.node === this.#options.self.node) throw error;
        log.info({ volume: volume.handle, node: held.holder.node }, 'another node writes it: staged for readers');
      }
    });
  }

  async #stageWriter({ volume, access, stagingPath, log }: HybridStage): Promise<void> {
    const { io, self } = this.#options;
    const { handle, record, attachment } = volume;
    const local = await this.#copies.tree();
    const place = copyPlace(record.pool, record.id);
    // By it an unstage knows that this node may have the turn.
    await local.mkdirs(place, 0o700);
    const turn = await this.#turns.take(volume);
    const active = await this.#usable(handle, turn);
    const copy: CopyRecord = active?.copy ?? (await this.#copies.writer(volume, turn));
    const real = await realTarget(stagingPath);
    const top = real === undefined ? undefined : topMount(await readMountinfo(), real);
    const reader = await this.#copies.device(readerPlace(record.pool, record.id));
    // It was staged for readers until now; theirs are mounts of their own.
    if (real !== undefined && top !== undefined && reader !== undefined && isMountOf(top, reader)) {
      await unmountAll(io, LOCAL, real, log);
    }
    await stageImage({ io, log, volume: localImage(local, volume, place), self, access, stagingPath });
    if (active === undefined) await this.#active.add(copy);
    else active.isLeft = false;
    if (!(await hasTurn(attachment.tree, record.id, turn, self)))
      throw aborted(`volume ${handle} was taken away; retry`);
  }

  /** The copy that is written to already, as long as it is the volume. */
  async #usable(handle: string, turn: number): Promise<ActiveCopy | undefined> {
    const active = this.#active.get(handle);
    if (active === undefined || (!active.lost && active.copy.turn === turn)) return active;
    const [mount] = await this.#copies.mounts(active.place);
    if (mount !== undefined) {
      throw failedPrecondition(
        `volume ${handle} is still mounted at ${mount} from a copy that is not the volume any more, as it was taken away from this node: ` +
          'delete its pods here',
      );
    }
    await this.#active.drop(active);
    return undefined;
  }

  async #stageReader({ volume, access, stagingPath, log }: HybridStage): Promise<void> {
    const { io, self } = this.#options;
    const { record } = volume;
    await this.#copies.reader(volume);
    const image = localImage(await this.#copies.tree(), volume, readerPlace(record.pool, record.id));
    await stageImage({ io, log, volume: image, self, access: { ...access, readOnly: true }, stagingPath });
  }

  /** The copy that is the volume for pods that write, and for all pods of the same node. */
  #written(handle: string): boolean {
    const active = this.#active.get(handle);
    return active !== undefined && !active.isLeft && !active.lost;
  }

  /**
   * The copy that a publish shows: the one that is written to on this node, or for readers one of their own.
   * @throws as `stage`
   */
  async published(wish: HybridStage & { readonly readOnly: boolean }): Promise<ImageVolume> {
    const { volume, readOnly } = wish;
    const { record, handle } = volume;
    await this.start();
    if (this.#written(handle)) await this.#active.get(handle)?.assertTurn(volume.attachment.tree);
    else {
      const wanted = { ...wish, access: { ...wish.access, readOnly } };
      await this.#alone(handle, () => (readOnly ? this.#stageReader(wanted) : this.#stageWriter(wanted)));
    }
    const place = (this.#written(handle) ? copyPlace : readerPlace)(record.pool, record.id);
    return localImage(await this.#copies.tree(), volume, place);
  }

  /** The copy that is mounted at a path, or the one that is written to. */
  async mountedCopy(volume: HybridVolume, mount: MountEntry | undefined): Promise<ImageVolume> {
    const { record } = volume;
    const reader = readerPlace(record.pool, record.id);
    const device = await this.#copies.device(reader);
    const isReader = device !== undefined && mount !== undefined && isMountOf(mount, device);
    return localImage(await this.#copies.tree(), volume, isReader ? reader : copyPlace(record.pool, record.id));
  }

  /**
   * Called when a pod's mount was taken away: when it was the last one, it waits until all that was written is in the pool.
   * @throws KayalError ABORTED while that takes longer, UNAVAILABLE when it is not possible; the call is repeated then
   */
  async unpublished(handle: string, target: string): Promise<void> {
    const parsed = parseHandle(handle);
    if (parsed === undefined || !(await this.#isKnown(parsed))) return;
    await this.start();
    const active = this.#active.get(handle);
    if (active === undefined || active.lost) return;
    // The staging path is one.
    if ((await this.#copies.mounts(active.place)).length <= 1) await this.#active.settle(active, target);
  }

  /**
   * Ends the use of a volume on this node. What its pods wrote is in the pool when this returns, and other nodes may have it; the
   * copy stays, for the next time.
   * @returns false when it was never staged here as a hybrid volume
   * @throws KayalError FAILED_PRECONDITION while it is published; ABORTED, UNAVAILABLE until its last sync is done
   */
  async unstage(handle: string, stagingPath: string, log: Logger): Promise<boolean> {
    const parsed = parseHandle(handle);
    if (parsed === undefined || !(await this.#isKnown(parsed))) return false;
    return this.#alone(handle, async () => {
      const active = this.#active.get(handle);
      await this.#unmount(handle, stagingPath, log);
      if (active !== undefined) await this.#active.end(active);
      try {
        await this.#active.endTurn(parsed);
      } catch (error) {
        if (active?.lost !== true) throw error;
        this.#active.endTurnLater(handle, parsed);
      }
      return true;
    });
  }

  async #unmount(handle: string, stagingPath: string, log: Logger): Promise<void> {
    const { io, self } = this.#options;
    const { pool = '', id = '' } = parseHandle(handle) ?? {};
    const local = await this.#copies.tree();
    const [writer, reader] = [copyPlace(pool, id), readerPlace(pool, id)];
    const staging = await realTarget(stagingPath);
    for (const place of [writer, reader]) {
      await this.#copies.cancel(place);
      const device = await this.#copies.device(place);
      const [other] = device === undefined ? [] : await targetsOf(device, staging);
      if (other !== undefined) {
        throw failedPrecondition(`volume ${handle} is published at ${other} on this node: unpublish it first`);
      }
    }
    const active = this.#active.get(handle);
    if (active !== undefined && !active.lost) await this.#active.settle(active);
    for (const place of [writer, reader]) {
      const device = await this.#copies.device(place);
      if (device === undefined) continue;
      const top = staging === undefined ? undefined : topMount(await readMountinfo(), staging);
      if (staging !== undefined && top?.dev === device.dev) await unmountAll(io, LOCAL, staging, log);
      await detachDevice({ io, pool: LOCAL, handle, log }, device);
      await releaseImage(local, localId(place), self);
    }
    if ((await local.stat(reader)) === undefined) return;
    await this.#copies.discard(reader);
    await local.rmdir(reader);
  }

  /** Makes the copy of a volume as large as its record says. */
  async expand(volume: HybridVolume): Promise<ImageVolume> {
    const { record, handle } = volume;
    await this.start();
    const active = this.#active.get(handle);
    if (active === undefined) {
      throw failedPrecondition(`volume ${handle} is not staged on this node; it gets its new size when it is`);
    }
    const room = await this.#copies.room();
    await room.take(active.place, record.limitBytes, handle);
    const local = await this.#copies.tree();
    await local.growImage(`${active.place}/${IMAGE}`, record.limitBytes);
    await active.resize(record.limitBytes);
    return localImage(local, volume, active.place);
  }

  /** Ends all syncs; copies that are in use stay so, for the next process. */
  async close(): Promise<void> {
    await this.#active.close();
    await this.#copies.close();
  }
}
