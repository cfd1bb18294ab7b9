import { dirname } from 'node:path';
import { messageOf } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { readOwnFile, writePrivateFile } from '../gluster/private-files.js';
import type { PodReference } from '../kube/pod-events.js';
import { machine } from '../linux/machine.js';
import { readMountinfo } from '../linux/mountinfo.js';

/** A pod, and where it got a volume of which pool. */
interface Use extends PodReference {
  readonly pool: string;
  readonly target: string;
}

export interface PublishedPodsOptions {
  /** Where it is kept, for the next process. */
  readonly file: string;
  readonly log: Logger;
}

const WRITE_AFTER_MS = 1_000;
/** What CSIDriver's podInfoOnMount adds to the volume's context. */
const PREFIX = 'csi.storage.k8s.io/pod.';

function isUse(value: unknown): value is Use {
  const { namespace, name, uid, pool, target } = (value ?? {}) as Record<string, unknown>;
  return [namespace, name, uid, pool, target].every((field) => typeof field === 'string');
}

/**
 * The pods that volumes are published for, so that they can be told what happens to them. It is for their information
 * only: a kill may cost the last second of it.
 */
export class PublishedPods {
  readonly #options: PublishedPodsOptions;
  readonly #uses = new Map<string, Use>();
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: PublishedPodsOptions) {
    this.#options = options;
  }

  /** Takes over what the former process knew, as far as it is still published. */
  async load(): Promise<void> {
    const { file, log } = this.#options;
    try {
      const text = await readOwnFile(file);
      if (text === undefined) return;
      const former: unknown = JSON.parse(text);
      const mounted = new Set((await readMountinfo()).map(({ target }) => target));
      for (const use of Array.isArray(former) ? former.filter(isUse) : []) {
        if (mounted.has(use.target) && !this.#uses.has(use.target)) this.#uses.set(use.target, use);
      }
    } catch (error) {
      log.warn({ file, error: messageOf(error) }, 'the pods that use volumes are not known any more');
    }
  }

  /** @param context of NodePublishVolume; without a pod in it there is nobody to tell */
  published(pool: string, target: string, context: Readonly<Record<string, string>>): void {
    const [namespace, name, uid] = [context[`${PREFIX}namespace`], context[`${PREFIX}name`], context[`${PREFIX}uid`]];
    if (namespace === undefined || name === undefined || uid === undefined) return;
    this.#uses.set(target, { namespace, name, uid, pool, target });
    this.#writeSoon();
  }

  unpublished(target: string): void {
    if (this.#uses.delete(target)) this.#writeSoon();
  }

  /** Each pod once. */
  of(pool: string): PodReference[] {
    const uses = [...this.#uses.values()].filter((use) => use.pool === pool);
    return [...new Map(uses.map(({ namespace, name, uid }) => [uid, { namespace, name, uid }])).values()];
  }

  /** The pods that have something at these targets, each once. */
  at(targets: readonly string[]): PodReference[] {
    const uses = targets.flatMap((target) => this.#uses.get(target) ?? []);
    return [...new Map(uses.map(({ namespace, name, uid }) => [uid, { namespace, name, uid }])).values()];
  }

  /** Writes what is not written yet. */
  async close(): Promise<void> {
    if (this.#timer !== undefined) this.#write();
    await this.#writing;
  }

  #writeSoon(): void {
    this.#timer ??= setTimeout(() => this.#write(), WRITE_AFTER_MS).unref();
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { file, log } = this.#options;
    const text = `${JSON.stringify([...this.#uses.values()])}\n`;
    this.#writing = this.#writing
      .then(() => machine.mkdir(dirname(file), { recursive: true, mode: 0o750 }))
      .then(() => writePrivateFile(file, text))
      .catch((error: unknown) => log.warn({ file, error: messageOf(error) }, 'the pods that use volumes are not kept'));
  }
}
