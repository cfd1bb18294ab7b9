import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { idsToHeal } from '../../src/gluster/heal-info.js';
import { PATHINFO_XATTR } from '../../src/gluster/pathinfo.js';
import type { GroupShape } from '../../src/gluster/volfile/group-shape.js';
import { Driver, driverPaths } from './driver.js';
import { bricksOfLayout, type TestLayout } from './layouts.js';
import { findProcesses } from './leftovers.js';
import type { PoolKeys } from './pool-configs.js';
import { startOpen } from './open-driver.js';
import { runCommand } from './run-command.js';
import { sleep, waitFor } from './wait.js';

export const POOL = 'lagoon';
const HEALED_WITHIN_MS = 90_000;

/** How many bricks answer the client whose directory this is. */
async function bricksBehind(directory: string): Promise<number> {
  const { stdout } = await runCommand('getfattr', ['-n', PATHINFO_XATTR, '--only-values', directory]);
  return stdout.split('<POSIX(').length - 1;
}

/** A driver with one pool of a layout. */
export class LayoutBench {
  readonly directory: string;
  readonly shape: GroupShape;
  /** Directories of the bricks, group by group. */
  readonly bricks: readonly string[];
  readonly driver: Driver;
  readonly #pool: PoolKeys;

  private constructor(parts: Pick<LayoutBench, 'directory' | 'shape' | 'bricks' | 'driver'>, pool: PoolKeys) {
    this.#pool = pool;
    this.directory = parts.directory;
    this.shape = parts.shape;
    this.bricks = parts.bricks;
    this.driver = parts.driver;
  }

  static async start(layout: TestLayout, keys: object = {}): Promise<LayoutBench> {
    const directory = await mkdtemp(join(tmpdir(), 'l-'));
    const { shape, count } = bricksOfLayout(layout);
    await mkdir(join(directory, 'b'));
    const bricks = Array.from({ length: count }, (_, index) => join(directory, 'b', `${index}`));
    const pool = { name: POOL, type: 'managed', ...layout.keys, bricks, quota: 'gluster', ...keys };
    const driver = await startOpen({ directory, pools: [pool], logLevel: 'info' });
    return new LayoutBench({ directory, shape, bricks, driver }, pool);
  }

  /** The pool's root on the controller's mount, which shows all that is in it. */
  get controlMount(): string {
    return join(driverPaths(this.directory).stateDir, 'control', POOL, 'mnt');
  }

  async log(): Promise<string> {
    return readFile(driverPaths(this.directory).log, 'utf8');
  }

  /** kill -9 of a brick's process, which the driver starts again. @returns its pid */
  async killBrick(index: number): Promise<number> {
    const path = this.bricks[index] ?? '';
    const [brick] = await findProcesses((command) => command.includes(`--brick-name ${path} `));
    if (brick === undefined) throw new Error(`no process serves ${path}`);
    process.kill(brick.pid, 'SIGKILL');
    return brick.pid;
  }

  /** Takes disks away, as it were: the bricks stay away until the result is called. */
  async takeAway(...indices: readonly number[]): Promise<() => Promise<void>> {
    const paths = indices.map((index) => this.bricks[index] ?? '');
    for (const path of paths) await rename(path, `${path}.away`);
    for (const index of indices) await this.killBrick(index);
    return async () => {
      for (const path of paths) {
        // A brick makes its index anew, before it is killed, where it was (index_dir_create).
        await rm(path, { recursive: true, force: true });
        await rename(`${path}.away`, path);
      }
    };
  }

  /** Waits until every brick is there for the clients behind these paths, and none knows of anything that another one lacks. */
  async healed(...paths: readonly string[]): Promise<void> {
    const isWhole = async (): Promise<boolean> => {
      const waiting = (await Promise.all(this.bricks.map(idsToHeal))).flat();
      return waiting.length === 0 && (await this.#areConnected(paths));
    };
    await waitFor('heal info to be empty', async () => ((await isWhole()) ? true : undefined), {
      timeoutMs: HEALED_WITHIN_MS,
      intervalMs: 500,
    });
  }

  async #areConnected(paths: readonly string[]): Promise<boolean> {
    if (this.shape.kind !== 'disperse') {
      const seen = await Promise.all([this.controlMount, ...paths].map(bricksBehind));
      return seen.every((count) => count === this.bricks.length);
    }
    // GlusterFS 10 cannot tell; rpc-clnt.c tries again every three seconds.
    const running = await findProcesses((command) =>
      this.bricks.some((brick) => command.includes(`--brick-name ${brick} `)),
    );
    if (running.length < this.bricks.length) return false;
    await sleep(4_000);
    return true;
  }

  /** Stops the driver and starts it with some keys of the pool's changed (undefined: taken out). @returns why it does not open the pool */
  async refusal(change: object): Promise<string> {
    await this.driver.stop();
    const pool = { ...this.#pool, ...change };
    const driver = await Driver.start({ directory: this.directory, pools: [pool], logLevel: 'info' });
    try {
      return await waitFor('the pool to be refused', async () => {
        const answer: unknown = await driver.client.controller
          .GetCapacity({ parameters: { pool: POOL } })
          .catch((failure: unknown) => failure);
        return answer instanceof Error && !answer.message.includes('being opened') ? answer.message : undefined;
      });
    } finally {
      await driver.stop();
    }
  }

  async stop(): Promise<void> {
    await this.driver.stop();
  }
}
