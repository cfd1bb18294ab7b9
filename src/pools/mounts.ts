import { join } from 'node:path';
import { messageOf } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { ClientDevices } from '../gluster/client-devices.js';
import type { ClientHost } from '../gluster/client-host.js';
import type { IoWorkers } from '../linux/io-workers.js';
import { readMountinfo } from '../linux/mountinfo.js';
import type { Tree } from '../linux/tree.js';
import { openDirectory } from './directory-attachment.js';
import { mountPointIn, openGluster, type PoolVolfiles } from './gluster-attachment.js';
import type { Attachment, OpenPool } from './open-pool.js';
import { PoolSlot, type MountState } from './pool-slot.js';
import type { PoolFile } from './pool-file.js';
import { checkIdentity } from './pool-identity.js';
import { realDirectory } from './real-directory.js';
import type { PoolConfig } from './types.js';

export type { Attachment } from './open-pool.js';
export type { MountState } from './pool-slot.js';

export interface PoolMountsOptions {
  readonly io: IoWorkers;
  readonly log: Logger;
  /** Mount points, logs and pid files lie below it; mode 0700. */
  readonly directory: string;
  /** Mounts that may set limits, for the controller. */
  readonly control: boolean;
  readonly nodeId: string;
  /** Whose pools these are: config key `installation`. */
  readonly installation: string;
  /** The bricks that run on this machine. @throws KayalError UNAVAILABLE when the pool's do not */
  readonly managed: (pool: string) => Promise<PoolVolfiles>;
  /** Where GlusterFS clients run; default: beside us. */
  readonly host?: ClientHost | undefined;
  /** A pool's client ended by itself; what was published from it is dead. */
  readonly onLost?: ((pool: string) => void) | undefined;
}

/** The pools that are attached to this machine: one client process and one mount per pool, however many ask for it. */
export class PoolMounts {
  readonly #options: PoolMountsOptions;
  readonly #slots = new Map<string, PoolSlot>();
  /** Ids of the pools that were served here, by name; kept over detach. */
  readonly #ids = new Map<string, string>();
  readonly #devices = new Map<string, ClientDevices>();

  constructor(options: PoolMountsOptions) {
    this.#options = { ...options, directory: realDirectory(options.directory) };
  }

  /**
   * The pool's mount, made when it is not there. Concurrent calls share one attempt; while the pool stays attached a
   * call costs no system call, except that once a second one of them makes sure that the mount is still there.
   * @throws KayalError UNAVAILABLE with the reason, or FAILED_PRECONDITION when the pool must not be used here
   */
  attach(pool: PoolConfig): Promise<Attachment> {
    let slot = this.#slots.get(pool.name);
    if (slot === undefined) {
      slot = new PoolSlot(pool.name, (config) => this.#open(config), this.#options.log);
      this.#slots.set(pool.name, slot);
    }
    return slot.attach(pool);
  }

  state(pool: string): MountState {
    return this.#slots.get(pool)?.state() ?? { state: 'absent' };
  }

  /** The attachment as it is, without any attempt to mend or make it. */
  current(pool: string): Attachment | undefined {
    return this.#slots.get(pool)?.current();
  }

  /** Ends the pool's client; OK when it is not attached. A later `attach` starts a new one. */
  async detach(pool: string): Promise<void> {
    await this.#slots.get(pool)?.detach();
  }

  /** Detaches all; the failures of some do not keep the others. */
  async detachAll(): Promise<void> {
    const results = await Promise.allSettled([...this.#slots.keys()].map((pool) => this.detach(pool)));
    for (const result of results) {
      if (result.status === 'fulfilled') continue;
      this.#options.log.warn({ error: messageOf(result.reason) }, 'a pool was not detached');
    }
  }

  /** Names of pools whose client mount exists, also one that an earlier process of this role left behind. */
  async mounted(): Promise<string[]> {
    const targets = new Set((await readMountinfo()).map(({ target }) => target));
    const names = [...targets].flatMap((target) => {
      const name = target.startsWith(`${this.#options.directory}/`)
        ? target.slice(this.#options.directory.length + 1).split('/')[0]
        : undefined;
      return name !== undefined && target === mountPointIn(this.#directoryOf(name)) ? [name] : [];
    });
    return names;
  }

  /** Where the client mount of a GlusterFS pool is, if it is there. */
  mountPointOf(pool: string): string {
    return mountPointIn(this.#directoryOf(pool));
  }

  /** Device numbers of clients that the pool had here and whose process is gone, as long as they may have mounts. */
  deadDevices(pool: string): Promise<string[]> {
    return this.#devicesOf(pool).dead();
  }

  /** No mount has these numbers any more. */
  async forgetDevices(pool: string, devices: readonly string[]): Promise<void> {
    if (devices.length > 0) await this.#devicesOf(pool).forget(devices);
  }

  #devicesOf(pool: string): ClientDevices {
    const devices = this.#devices.get(pool) ?? new ClientDevices(this.#directoryOf(pool));
    this.#devices.set(pool, devices);
    return devices;
  }

  #directoryOf(pool: string): string {
    return join(this.#options.directory, pool);
  }

  async #open(pool: PoolConfig): Promise<{ open: OpenPool; attachment: Attachment }> {
    const { io, log, control, nodeId, managed, host } = this.#options;
    const open =
      pool.type === 'directory'
        ? await openDirectory({ pool, nodeId, io })
        : await openGluster({
            pool,
            directory: this.#directoryOf(pool.name),
            control,
            managed,
            host,
            io,
            log,
            devices: this.#devicesOf(pool.name),
            onLost: () => this.#options.onLost?.(pool.name),
          });
    try {
      const identity = control || pool.staticOnly ? undefined : await this.#identify(pool.name, open.tree);
      const { tree, location } = open;
      // A client that ended while nobody watched it is noticed when the next one is there.
      if ((await this.deadDevices(pool.name)).length > 0) this.#options.onLost?.(pool.name);
      return { open, attachment: { pool, tree, root: tree.root, location, identity } };
    } catch (error) {
      await open.tree.close();
      throw error;
    }
  }

  async #identify(pool: string, tree: Tree): Promise<PoolFile> {
    const { installation } = this.#options;
    const file = await checkIdentity({ pool, tree, installation, expected: this.#ids.get(pool) });
    this.#ids.set(pool, file.id);
    return file;
  }
}
