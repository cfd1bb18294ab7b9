import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { BrickNetwork } from './brick-network.js';
import { BrickRole } from './brick-role.js';
import { Driver } from './driver.js';
import { availableBytes } from './open-driver.js';
import { mustRun, runCommand } from './run-command.js';
import { PATHINFO_XATTR } from '../../src/gluster/pathinfo.js';
import { waitFor } from './wait.js';

const PORT = 24_100;
export const BRICK_POOL = 'lagoon';

export interface BrickPoolOptions {
  /** Of the pool, in the words of the configuration: replica, arbiter, disperse. */
  readonly layout: object;
  /** Bricks, each on a machine of its own. */
  readonly count: number;
  /** More machines, without a brick. */
  readonly spare?: number;
}

/** A pool of brick roles on machines of their own, each with a device, and a driver that uses it. */
export class BrickPool {
  readonly directory: string;
  readonly network: BrickNetwork;
  readonly roles: BrickRole[] = [];
  readonly devices: string[] = [];
  #driver: Driver | undefined;

  private constructor(directory: string, network: BrickNetwork) {
    this.directory = directory;
    this.network = network;
  }

  static async start({ layout, count, spare = 0 }: BrickPoolOptions): Promise<BrickPool> {
    const directory = await mkdtemp(join(tmpdir(), 'b-'));
    const pool = new BrickPool(directory, await BrickNetwork.start(count + spare));
    try {
      await pool.#make(layout, count);
      return pool;
    } catch (error) {
      await pool.stop();
      throw error;
    }
  }

  async #make(layout: object, count: number): Promise<void> {
    for (const name of ['etc', 'm']) await mkdir(join(this.directory, name));
    const bricks = Array.from({ length: count }, (_, brick) => brick);
    for (const brick of bricks) await this.makeDevice(`d${brick}`);
    await writeFile(this.poolFile, stringify(this.poolOf(BRICK_POOL, layout, bricks)));
    await writeFile(this.makeFile, bricks.join(','));
    for (const brick of bricks) this.roles.push(await this.startRole(brick));
    await Promise.all(this.roles.map((role) => role.ready()));
    this.#driver = await Driver.start({
      directory: join(this.directory, 'd'),
      pools: [],
      prefix: this.network.prefix,
      logLevel: 'info',
      env: { KAYAL_POOLS_DIR: join(this.directory, 'etc') },
    });
    await availableBytes(this.#driver, BRICK_POOL);
  }

  get driver(): Driver {
    if (this.#driver === undefined) throw new Error('there is no driver');
    return this.#driver;
  }

  get poolFile(): string {
    return join(this.directory, 'etc', 'pool.yaml');
  }

  /** Lists the bricks that are new. */
  get makeFile(): string {
    return join(this.directory, 'etc', 'make');
  }

  /** In the mounts of its role. */
  brickPath(brick: number): string {
    return join(this.directory, 'm', `${brick}`, 'brick');
  }

  /** The configuration of a pool with a brick on each of those machines. */
  poolOf(name: string, layout: object, machines: readonly number[]): object {
    return {
      name,
      type: 'managed',
      ...layout,
      bricks: machines.map((machine) => this.brickPath(machine)),
      remote: {
        volumeId: randomUUID(),
        credentials: { username: randomUUID(), password: randomUUID() },
        addresses: machines.map((machine) => `${this.network.address(machine)}:${PORT}`),
      },
    };
  }

  /** A loop device of 320 MiB of zeros; it goes with the pool. */
  async makeDevice(name: string): Promise<string> {
    const image = join(this.directory, `${name}.img`);
    await mustRun('truncate', ['--size=320M', image]);
    const device = (await mustRun('losetup', ['--find', '--show', image])).trim();
    this.devices.push(device);
    return device;
  }

  /** @param place the machine; each has one state directory */
  startRole(brick: number, device = this.devices[brick], place = brick, poolFile = this.poolFile): Promise<BrickRole> {
    const prefix = this.network.prefixOf(place);
    return BrickRole.start({ directory: join(this.directory, `r${place}`), poolFile, brick, device, prefix });
  }

  /** Waits until no brick knows of anything that another one lacks. */
  async healed(): Promise<void> {
    await waitFor(
      'heal info to be empty',
      async () => {
        const waiting = await Promise.all(this.roles.map((role) => role.metric('kayal_brick_pending_heals')));
        return waiting.every((count) => count === 0) ? true : undefined;
      },
      { timeoutMs: 120_000, intervalMs: 1_000 },
    );
  }

  /** Waits until the client that has `path` mounted talks to all bricks: after one was away it tries again every few seconds. */
  async connected(path: string): Promise<void> {
    const flags = ['--absolute-names', '--only-values', '--name', PATHINFO_XATTR];
    await waitFor(
      'the client to have all bricks again',
      async () => {
        const answering = (await mustRun('getfattr', [...flags, path])).split('<POSIX(').length - 1;
        return answering === this.roles.length ? true : undefined;
      },
      { timeoutMs: 60_000, intervalMs: 500 },
    );
  }

  async stop(): Promise<void> {
    await this.#driver?.stop();
    for (const role of this.roles) await role.stop();
    for (const device of this.devices) await runCommand('losetup', ['--detach', device]);
    await this.network.stop();
    await rm(this.directory, { recursive: true, force: true });
  }
}
