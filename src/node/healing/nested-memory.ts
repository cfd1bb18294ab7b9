import { dirname } from 'node:path';
import { messageOf } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { readOwnFile, writePrivateFile } from '../../gluster/private-files.js';
import { machine } from '../../linux/machine.js';
import { mountNamespaces, mountsOf } from '../../linux/mount-namespaces.js';
import type { MountEntry } from '../../linux/mountinfo.js';
import { bootId } from '../../linux/process-info.js';
import { childrenOf, mountsIn } from './plan.js';

interface Known {
  nested: readonly MountEntry[];
  /** How often it was looked at without a volume in it: a container's mounts are made when it starts. */
  looksInVain: number;
}

interface MemoryFile {
  readonly bootId: string;
  /** By the id of the mount namespace. */
  readonly nested: Readonly<Record<string, readonly MountEntry[]>>;
}

const ENOUGH_LOOKS = 3;

export interface NestedMemoryOptions {
  /** Where it is kept, for the next process. */
  readonly file: string;
  readonly log: Logger;
}

/**
 * The mounts that containers have in their volumes, as they were last seen. When a process looks into a dead FUSE mount,
 * the kernel drops the names that it cannot verify, and detaches what is mounted on them (d_invalidate()); so who looks
 * after the client's end looks too late.
 */
export class NestedMemory {
  readonly #options: NestedMemoryOptions;
  readonly #known = new Map<string, Known>();
  #written = '';

  constructor(options: NestedMemoryOptions) {
    this.#options = options;
  }

  /** What was nested in a mount namespace. */
  of(namespace: string): readonly MountEntry[] {
    return this.#known.get(namespace)?.nested ?? [];
  }

  /** Takes over what the former process knew, in the same boot. */
  async load(): Promise<void> {
    const { file, log } = this.#options;
    try {
      const text = await readOwnFile(file);
      if (text === undefined) return;
      // Written by this class; what is damaged throws here or below.
      const former = JSON.parse(text) as MemoryFile;
      if (former.bootId !== (await bootId())) return;
      for (const [id, nested] of Object.entries(former.nested)) this.#known.set(id, { nested, looksInVain: 0 });
    } catch (error) {
      log.warn({ file, error: messageOf(error) }, 'what was nested in volumes is not known any more');
    }
  }

  /**
   * Looks at every mount namespace that may have volumes.
   * @param isVolume true for mounts of volumes by clients that were alive before this call
   * @param findDead true for those by clients that are gone by now: what was known of their namespace is not to be forgotten.
   *   Called when the mounts have been read: a client that dies meanwhile takes what is nested in its volumes with it.
   */
  async refresh(
    isVolume: (entry: MountEntry) => boolean,
    findDead: () => Promise<(entry: MountEntry) => boolean>,
  ): Promise<void> {
    const namespaces = await mountNamespaces();
    const present = new Set(namespaces.map(({ id }) => id));
    for (const id of this.#known.keys()) if (!present.has(id)) this.#known.delete(id);
    const seen = new Map<Known, readonly MountEntry[]>();
    for (const namespace of namespaces) {
      const known = this.#known.get(namespace.id) ?? { nested: [], looksInVain: 0 };
      this.#known.set(namespace.id, known);
      if (known.looksInVain < ENOUGH_LOOKS) seen.set(known, (await mountsOf(namespace)) ?? []);
    }
    const isDead = await findDead();
    for (const [known, entries] of seen) {
      if (entries.some(isDead)) continue;
      const volumes = entries.filter(isVolume);
      known.looksInVain = volumes.length === 0 ? known.looksInVain + 1 : 0;
      const children = volumes.length === 0 ? new Map<number, MountEntry[]>() : childrenOf(entries);
      const nested = volumes.flatMap((volume) => mountsIn(children, volume));
      known.nested = [...new Map(nested.map((entry) => [entry.id, entry])).values()];
    }
    await this.#save();
  }

  async #save(): Promise<void> {
    const nested = Object.fromEntries(
      [...this.#known].flatMap(([id, known]) => (known.nested.length === 0 ? [] : [[id, known.nested] as const])),
    );
    const text = `${JSON.stringify({ bootId: await bootId(), nested } satisfies MemoryFile)}\n`;
    if (text === this.#written) return;
    const { file } = this.#options;
    // On a node that has no client, and no volumes of its own, nobody has made it yet.
    await machine.mkdir(dirname(file), { recursive: true, mode: 0o750 });
    await writePrivateFile(file, text);
    this.#written = text;
  }
}
