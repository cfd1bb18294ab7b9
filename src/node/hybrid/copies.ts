import { join } from 'node:path';
import { aborted, failedPrecondition, isErrno, messageOf } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { formatBytes } from '../../base/units.js';
import { readCopyRecord, removeCopyRecord, writeCopyRecord, type CopyRecord } from '../../hybrid/copy-record.js';
import { fillCopy } from '../../hybrid/fill.js';
import {
  ABANDONED,
  asidePlace,
  copyPlace,
  FILLING,
  IMAGE,
  isSyncedName,
  NEXT,
  readerPlace,
} from '../../hybrid/places.js';
import { adoptStates, currentState, type CompleteState } from '../../hybrid/states.js';
import type { IoWorkers } from '../../linux/io-workers.js';
import { loopPath, type LoopDevice } from '../../linux/loop-devices.js';
import { machine } from '../../linux/machine.js';
import { Tree } from '../../linux/tree.js';
import { KAYAL_DIRECTORY } from '../../volumes/records/layout.js';
import { hybridSettingsOf } from '../../volumes/requests/hybrid-settings.js';
import { within } from '../deadline.js';
import { detachDevice, imageDevicesOf, targetsOf } from '../images/devices.js';
import { copyDevice, copyMounts } from './copy-device.js';
import { hasImage, LOCAL, localImage, type HybridVolume } from './local-image.js';
import { Room } from './room.js';

export interface CopiesOptions {
  readonly io: IoWorkers;
  readonly log: Logger;
  /** --hybrid-dir */
  readonly directory: string;
  /** --hybrid-size */
  readonly maxBytes?: bigint | undefined;
}

/** A copy that is being made. */
interface Job {
  readonly done: Promise<void>;
  progress: number;
  readonly total: number;
  cancelled: boolean;
}

/** A call waits so long for a copy before it asks to be repeated. */
const PATIENCE_MS = 15_000;
const PROBE = '.reflink';

/** Tells a volume from one that had its name before. */
export function identityOf({ record }: HybridVolume): string {
  return `${record.poolId} ${record.createdAt}`;
}

/** The copies of hybrid volumes on this node's disk. */
export class Copies {
  readonly #options: CopiesOptions;
  readonly #jobs = new Map<string, Job>();
  /** Copies for readers that nobody has read yet: newer states do not make them be copied again and again. */
  readonly #fresh = new Set<string>();
  #room: Room | undefined;
  #tree: Promise<Tree> | undefined;

  constructor(options: CopiesOptions) {
    this.#options = options;
  }

  get directory(): string {
    return this.#options.directory;
  }

  /**
   * The directory of all copies, made when it is not there.
   * @throws KayalError FAILED_PRECONDITION where files cannot share blocks
   */
  tree(): Promise<Tree> {
    this.#tree ??= this.#open().catch((error: unknown) => {
      this.#tree = undefined;
      throw error;
    });
    return this.#tree;
  }

  async #open(): Promise<Tree> {
    const { io, directory } = this.#options;
    await machine.mkdir(join(directory, KAYAL_DIRECTORY), { recursive: true, mode: 0o700 });
    await machine.chmod(directory, 0o700);
    const tree = await Tree.open(io, LOCAL, directory);
    try {
      await tree.makeImage(PROBE, 4096n);
      await tree.call('snapshotImage', [PROBE, `${PROBE}.copy`, undefined]);
      return tree;
    } catch (error) {
      await tree.close();
      if (!isErrno(error, 'EOPNOTSUPP', 'EINVAL', 'ENOTTY', 'EXDEV')) throw error;
      throw failedPrecondition(
        `hybrid volumes need a filesystem whose files can share blocks (XFS as mkfs.xfs makes it, or btrfs), and ${directory} of this ` +
          'node is on another one: mount one there, or set --hybrid-dir (docs/hybrid.md)',
        { cause: error },
      );
    }
  }

  /** The loop device on a copy's image; undefined: there is none. */
  async device(place: string): Promise<LoopDevice | undefined> {
    return copyDevice({ io: this.#options.io, local: await this.tree() }, place);
  }

  /** Where a copy's filesystem is mounted on this node. */
  async mounts(place: string): Promise<string[]> {
    return copyMounts({ io: this.#options.io, local: await this.tree() }, place);
  }

  async room(): Promise<Room> {
    const local = await this.tree();
    this.#room ??= new Room({
      local,
      maxBytes: this.#options.maxBytes,
      remove: (place) => this.#discard(local, place),
    });
    return this.#room;
  }

  /**
   * The copy that this node writes to, complete and not in use yet; the caller has the volume's turn.
   * @throws KayalError ABORTED while it is copied from the pool; RESOURCE_EXHAUSTED; FAILED_PRECONDITION while a copy that is
   *   of no use any more is still mounted
   */
  async writer(volume: HybridVolume, turn: number): Promise<CopyRecord> {
    const { record, attachment, handle } = volume;
    const local = await this.tree();
    const place = copyPlace(record.pool, record.id);
    this.#throwProgress(place, handle);
    const found = await currentState(attachment.tree, record.path);
    const head =
      found === undefined || found.turn === turn ? found : await adoptStates(attachment.tree, record.path, turn, found);
    const known = (await hasImage(local, place)) ? await readCopyRecord(local, place) : undefined;
    if (known !== undefined) {
      const isOurs = known.of === identityOf(volume);
      const isSame = known.state?.id === head?.header.id;
      const goesOn = isOurs && (known.turn === turn || (known.turn === turn - 1 && !known.clean));
      if (goesOn || (isOurs && known.clean && isSame && head !== undefined)) {
        // Of a state that is not the pool's nothing can be told: the next one holds everything.
        const state = isSame ? known.state : undefined;
        return this.#begin(local, place, { ...this.#recordOf(volume, turn, false), state });
      }
      await this.#detach(local, volume, place);
      if (!known.clean) await this.setAside(place, known);
    }
    await this.#discard(local, place);
    await (await this.room()).take(place, record.limitBytes, handle);
    await local.mkdirs(place, 0o700);
    if (head === undefined) {
      await local.makeImage(`${place}/${IMAGE}`, record.limitBytes);
      return this.#begin(local, place, this.#recordOf(volume, turn, false));
    }
    await this.#fill(local, volume, place, head, this.#recordOf(volume, turn, true));
    return this.#begin(local, place, { ...this.#recordOf(volume, turn, false), state: syncedStateOf(head) });
  }

  async #begin(local: Tree, place: string, copy: CopyRecord): Promise<CopyRecord> {
    await (await this.room()).take(place, BigInt(copy.limitBytes), copy.handle);
    // It was said of another time.
    await local.unlink(`${place}/${ABANDONED}`);
    await writeCopyRecord(local, place, copy);
    return copy;
  }

  /**
   * The copy that pods of this node read while another node writes: of the state in the pool, unless some read an earlier one.
   * @throws as `writer`
   */
  async reader(volume: HybridVolume): Promise<void> {
    const { record, attachment, handle } = volume;
    const local = await this.tree();
    const place = readerPlace(record.pool, record.id);
    this.#throwProgress(place, handle);
    const head = await currentState(attachment.tree, record.path);
    const known = (await hasImage(local, place)) ? await readCopyRecord(local, place) : undefined;
    const isFresh = this.#fresh.delete(place);
    if (known?.of === identityOf(volume) && (isFresh || known.state?.id === head?.header.id)) return;
    const image = localImage(local, volume, place);
    for (const device of await imageDevicesOf(this.#options.io, image.attachment, place)) {
      if (known !== undefined && (await targetsOf(device)).length > 0) return;
    }
    await this.#detach(local, volume, place);
    await this.#discard(local, place);
    await (await this.room()).take(place, record.limitBytes, handle);
    await local.mkdirs(place, 0o700);
    const copy = this.#recordOf(volume, 0, true);
    if (head !== undefined) {
      await this.#fill(local, volume, place, head, copy);
      this.#fresh.delete(place);
      return;
    }
    await local.makeImage(`${place}/${IMAGE}`, record.limitBytes);
    await writeCopyRecord(local, place, copy);
  }

  #recordOf(volume: HybridVolume, turn: number, clean: boolean): CopyRecord {
    const { record, handle } = volume;
    return {
      format: 1,
      handle,
      of: identityOf(volume),
      pool: record.pool,
      id: record.id,
      path: record.path,
      limitBytes: String(record.limitBytes),
      ...hybridSettingsOf(record),
      turn,
      clean,
    };
  }

  /** Begins a copy, and waits for it for a while. */
  async #fill(local: Tree, volume: HybridVolume, place: string, head: CompleteState, copy: CopyRecord): Promise<void> {
    const { log } = this.#options;
    const { attachment, record, handle } = volume;
    const job: Job = { done: Promise.resolve(), progress: 0, total: head.bytes, cancelled: false };
    const fill = async (): Promise<void> => {
      await fillCopy({
        local,
        place,
        pool: attachment.tree,
        directory: record.path,
        state: head,
        limitBytes: record.limitBytes,
        check: (bytes) => {
          job.progress = bytes;
          if (job.cancelled) throw aborted(`volume ${handle} is not wanted on this node any more`);
        },
      });
      await writeCopyRecord(local, place, { ...copy, state: syncedStateOf(head) });
      this.#fresh.add(place);
      log.info({ volume: handle, bytes: head.bytes, states: head.steps.length }, 'copied to this node');
    };
    const done = fill().finally(() => this.#jobs.delete(place));
    this.#jobs.set(place, Object.assign(job, { done }));
    done.catch((error: unknown) => log.warn({ volume: handle, error: messageOf(error) }, 'not copied to this node'));
    const ended = await within(
      PATIENCE_MS,
      done.then(() => true),
    );
    if (ended === undefined) this.#throwProgress(place, handle);
  }

  #throwProgress(place: string, handle: string): void {
    const job = this.#jobs.get(place);
    if (job === undefined) return;
    throw aborted(
      `volume ${handle} is being copied to this node: ${formatBytes(BigInt(job.progress))} of ${formatBytes(BigInt(job.total))} so far; retry`,
    );
  }

  /** Ends the making of a copy, and waits for its end. */
  async cancel(place: string): Promise<void> {
    const job = this.#jobs.get(place);
    if (job === undefined) return;
    job.cancelled = true;
    await job.done.catch(() => undefined);
  }

  async #detach(local: Tree, volume: HybridVolume, place: string): Promise<void> {
    const { io, log } = this.#options;
    const image = localImage(local, volume, place);
    for (const device of await imageDevicesOf(io, image.attachment, place)) {
      const [target] = await targetsOf(device);
      if (target !== undefined) {
        throw failedPrecondition(
          `volume ${volume.handle} is still mounted at ${target} from ${loopPath(device)}, a copy that is not the volume any more: delete its pods here`,
        );
      }
      await detachDevice({ io, pool: LOCAL, handle: volume.handle, log }, device);
    }
  }

  /** Keeps a copy with changes that got into no state; people decide what becomes of it. */
  async setAside(place: string, copy: CopyRecord): Promise<void> {
    const local = await this.tree();
    const aside = asidePlace(copy.pool, copy.id, new Date());
    await local.mkdirs(aside, 0o700);
    await writeCopyRecord(local, aside, copy);
    await local.rename(`${place}/${IMAGE}`, `${aside}/${IMAGE}`);
    await removeCopyRecord(local, place);
    this.#options.log.warn(
      { volume: copy.handle, kept: join(this.directory, aside, IMAGE), reaches: copy.state?.reaches },
      'a copy with changes that are not in the pool was kept aside',
    );
  }

  /** Removes a copy that nobody uses; a reader's copy below it stays. */
  async #discard(local: Tree, place: string): Promise<void> {
    await removeCopyRecord(local, place);
    for (const { name } of (await local.list(place)) ?? []) {
      if ([IMAGE, FILLING, NEXT, ABANDONED].includes(name) || isSyncedName(name))
        await local.unlink(`${place}/${name}`);
    }
    (await this.room()).forget(place);
  }

  async discard(place: string): Promise<void> {
    await this.#discard(await this.tree(), place);
  }

  async close(): Promise<void> {
    for (const place of this.#jobs.keys()) await this.cancel(place);
    const tree = await this.#tree?.catch(() => undefined);
    await tree?.close();
  }
}

function syncedStateOf({ header, steps, bytes }: CompleteState): NonNullable<CopyRecord['state']> {
  const before = header.before;
  const last = bytes - before.reduce((sum, step) => sum + step.bytes, 0);
  return {
    id: header.id,
    n: header.n,
    reaches: header.reaches,
    steps: [...before, { n: steps.at(-1)?.n ?? header.n, bytes: last }],
  };
}
