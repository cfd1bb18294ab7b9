import { KayalError, aborted, exhausted, notFound } from '../../base/errors.js';
import { attachVolume, attachedNodes, detachVolume, findAttachment, type WantedAttachment } from '../life/attach.js';
import { startTakeover, takeoverJob } from '../life/image-takeover.js';
import type { Session } from '../pool/session.js';
import type { PoolConfig } from '../../pools/types.js';
import { formatHandle, parseHandle } from '../records/handle.js';
import type { VolumeRecord } from '../records/record.js';
import { parseStaticVolume } from '../requests/static-volume.js';
import type { ControlledPool } from './controlled-pool.js';
import { isListed } from './list.js';
import { COPY_WAIT } from './snapshot-service.js';
import type { VolumeService } from './volume-service.js';

export interface AttachServiceOptions {
  readonly volumes: VolumeService;
  /** Every pool of the config, by name. */
  readonly pools: () => ReadonlyMap<string, PoolConfig>;
  readonly controlled: () => ReadonlyMap<string, ControlledPool>;
  /** True when Kayal runs on a node of that name. */
  readonly hasNode: (node: string) => Promise<boolean>;
  /** Volumes that may be attached to one node; absent: any number. */
  readonly maxPerNode?: number | undefined;
}

/** A takeover is quick where nobody holds the image by the time it begins; one that copies answers ABORTED. */
const ROUNDS = 3;

/** Which nodes may use which volumes. */
export class AttachService {
  readonly #options: AttachServiceOptions;
  /** Handles that calls under way attach, by node: they count against the node's limit, too. */
  readonly #underway = new Map<string, Set<string>>();

  constructor(options: AttachServiceOptions) {
    this.#options = options;
  }

  /**
   * Attaches a volume to a node; OK when it is.
   * @param context the volume_context, which is all there is of a static volume
   * @throws KayalError NOT_FOUND for an unknown volume or node; ALREADY_EXISTS, FAILED_PRECONDITION, RESOURCE_EXHAUSTED; ABORTED
   *   while the volume is taken away from a node that was lost
   */
  async publish(handle: string, wanted: WantedAttachment, context: Readonly<Record<string, string>>): Promise<void> {
    const record = await this.#recordOf(handle, context);
    if (!(await this.#options.hasNode(wanted.node))) {
      throw notFound(`node ${wanted.node} does not exist, or Kayal does not run on it`);
    }
    if (record === undefined) return;
    const session = await this.#sessionOf(record);
    if (session === undefined) throw notFound(`volume ${handle} does not exist`);
    for (let round = 0; round < ROUNDS; round++) {
      const outcome = await this.#locked(session, record.id, () => this.#attach(session, record.id, wanted));
      if (outcome === 'attached') return;
      startTakeover(session, record.id);
      await session.jobs.wait(takeoverJob(record.id), COPY_WAIT, `a new image of volume ${handle}`);
    }
    throw aborted(`volume ${handle} is being taken away from a node that was lost; retry`);
  }

  /** Detaches a volume from a node, or from all ('' ); OK when it is not attached, or does not exist. */
  async unpublish(handle: string, node: string): Promise<void> {
    const parsed = parseHandle(handle);
    const pool = parsed === undefined ? undefined : this.#options.controlled().get(parsed.pool);
    if (parsed === undefined || pool === undefined) return;
    const session = await pool.session();
    await this.#locked(session, parsed.id, async () => {
      const damaged = session.catalog.damagedRecord(parsed.id);
      if (damaged !== undefined) throw damaged;
      const record = session.catalog.get(parsed.id);
      if (record !== undefined && isListed(record)) await detachVolume(session, record, node);
    });
  }

  /** @returns undefined for a static volume that has no record: it is a directory that any node may use */
  async #recordOf(handle: string, context: Readonly<Record<string, string>>): Promise<VolumeRecord | undefined> {
    try {
      return await this.#options.volumes.get(handle);
    } catch (error) {
      if (!(error instanceof KayalError) || error.code !== 'NOT_FOUND') throw error;
      const { pool, poolId } = context;
      const config = poolId === undefined && pool !== undefined ? this.#options.pools().get(pool) : undefined;
      if (config === undefined || parseStaticVolume(config, context) === undefined) throw error;
      return undefined;
    }
  }

  async #sessionOf({ pool }: VolumeRecord): Promise<Session | undefined> {
    return this.#options.controlled().get(pool)?.session();
  }

  async #attach(session: Session, id: string, wanted: WantedAttachment): Promise<'attached' | 'takeover'> {
    const record = session.catalog.get(id);
    if (record === undefined || !isListed(record)) {
      throw notFound(`volume ${session.config.name}/${id} does not exist`);
    }
    if (findAttachment(record, wanted) !== undefined) return 'attached';
    if (!session.jobs.isRunning(takeoverJob(id))) session.jobs.throwFailure(takeoverJob(id));
    const leave = this.#enter(formatHandle(record), wanted.node);
    try {
      return await attachVolume(session, record, wanted);
    } finally {
      leave();
    }
  }

  /** @throws KayalError RESOURCE_EXHAUSTED when the node has as many volumes as it may have */
  #enter(handle: string, node: string): () => void {
    const underway = this.#underway.get(node) ?? new Set();
    const { maxPerNode, controlled } = this.#options;
    if (maxPerNode !== undefined) {
      const attached = new Set(underway);
      for (const pool of controlled().values()) {
        for (const record of pool.listedCatalog()?.records() ?? []) {
          if (attachedNodes(record).includes(node)) attached.add(formatHandle(record));
        }
      }
      if (attached.size >= maxPerNode) {
        throw exhausted(
          `node ${node} has ${attached.size} volumes attached, and at most ${maxPerNode} are allowed (--max-volumes-per-node)`,
        );
      }
    }
    this.#underway.set(node, underway.add(handle));
    return () => {
      underway.delete(handle);
      if (underway.size === 0) this.#underway.delete(node);
    };
  }

  async #locked<T>(session: Session, id: string, work: () => Promise<T>): Promise<T> {
    const release = session.locks.tryAcquire(id);
    if (release === undefined) {
      throw aborted(`another operation on volume ${session.config.name}/${id} is under way; retry`);
    }
    try {
      return await work();
    } finally {
      release();
    }
  }
}
