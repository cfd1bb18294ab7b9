import { readFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { pendingHealsOf } from '../../../src/gluster/heal-info.js';
import { readMountinfo } from '../../../src/linux/mountinfo.js';
import { driverPaths } from '../driver.js';
import { expectFenceEmpty } from '../fence.js';
import { kayal } from '../kayal.js';
import { loopDirectory, type LoopDirectory } from '../loop-directory.js';
import { servedMetrics } from '../metrics.js';
import { retried } from '../requests.js';
import { waitFor } from '../wait.js';
import { Killer } from './killer.js';
import { lookAtBrick } from './pool-look.js';
import { problemsOf } from './problems.js';
import { Random } from './random.js';
import type { Told } from './told.js';

const POOL = 'lagoon';
/** Deletions, heals and a look at all of it take their time. */
const SETTLED_WITHIN_MS = 240_000;

/** A managed pool of three bricks, each on a sparse filesystem of its own, and what must be true of it in the end. */
export class LoadPool {
  readonly name = POOL;
  readonly directory: string;
  readonly killer: Killer;
  readonly #disks: readonly LoopDirectory[];

  private constructor(directory: string, killer: Killer, disks: readonly LoopDirectory[]) {
    this.directory = directory;
    this.killer = killer;
    this.#disks = disks;
  }

  static async start(directory: string, brickMiB: number, seed: number): Promise<LoadPool> {
    const disks: LoopDirectory[] = [];
    try {
      // Journals of the usual size would take more memory than all data.
      for (const name of ['d1', 'd2', 'd3'])
        disks.push(await loopDirectory(directory, name, brickMiB, 'ext4', ['-J', 'size=32']));
      const bricks = disks.map(brickOf);
      const random = new Random(seed);
      const killer = await Killer.start({
        driver: {
          directory,
          pools: [{ name: POOL, type: 'managed', replica: 3, bricks, quota: 'gluster' }],
          logLevel: 'info',
          metricsAddress: '127.0.0.1:0',
        },
        pool: POOL,
        brick: bricks[random.below(bricks.length)] ?? '',
        random,
      });
      return new LoadPool(directory, killer, disks);
    } catch (error) {
      for (const disk of disks) await disk.remove();
      throw error;
    }
  }

  get #bricks(): readonly string[] {
    return this.#disks.map(brickOf);
  }

  /** @param keep the bricks' images, for a look at what went wrong */
  async stop({ keep }: { readonly keep: boolean }): Promise<void> {
    await this.killer.driver.stop();
    for (const disk of this.#disks) {
      await disk.remove();
      if (!keep) await rm(`${disk.path}.img`);
    }
  }

  /** Waits until every brick has what the clients were told, and nothing waits to be purged or healed. */
  async expectTold(told: Told): Promise<void> {
    let problems: readonly string[] = [];
    const settled = async (): Promise<true | undefined> => {
      const found = this.#bricks.map(async (brick) => {
        const heals = await pendingHealsOf(brick);
        const unhealed = heals === 0 ? [] : [`${heals} to heal`];
        return [...problemsOf(await lookAtBrick(brick), told), ...unhealed].map((text) => `${brick}: ${text}`);
      });
      problems = (await Promise.all(found)).flat();
      return problems.length === 0 ? true : undefined;
    };
    const options = { timeoutMs: SETTLED_WITHIN_MS, intervalMs: 2_000 };
    await waitFor('every brick to have what the clients were told', settled, options).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${problems.slice(0, 50).join('\n')}`, { cause: error });
    });
    for (const brick of this.#bricks) await expectFenceEmpty(brick);
  }

  /** The pool promises, to the byte, what the volumes' limits and the snapshots' contents come to. */
  async expectPromised(told: Told): Promise<void> {
    const { snapshots } = await lookAtBrick(this.#bricks[0] ?? '');
    const used = [...snapshots.values()].reduce((sum, { usedBytes = Number.NaN }) => sum + usedBytes, 0);
    const text = await servedMetrics(driverPaths(this.directory).log);
    const promised = Number(/^kayal_pool_bytes\{[^}]*kind="promised"[^}]*\} (\S+)$/m.exec(text)?.[1]);
    expect(promised).toBe(told.limitBytes + used);
  }

  /** The driver lists what the clients were told, and finds nothing wrong with any of it. */
  async expectListed(told: Told): Promise<void> {
    const { controller } = this.killer.driver.client;
    const { entries } = await controller.ListVolumes({});
    expect(new Set(entries.map(({ volume }) => volume?.volume_id))).toEqual(handlesOf(told.volumes));
    expect(entries.filter(({ status }) => status?.volume_condition?.abnormal === true)).toEqual([]);
    const taken = (await controller.ListSnapshots({})).entries;
    expect(new Set(taken.map(({ snapshot }) => snapshot?.snapshot_id))).toEqual(handlesOf(told.snapshots));
    for (const volume_id of told.deletedVolumes.slice(-20))
      await expect(retried(() => controller.ControllerGetVolume({ volume_id }))).rejects.toThrow('NOT_FOUND');
  }

  async expectDoctorContent(): Promise<void> {
    const { code, stdout, stderr } = await kayal(this.directory, ['doctor', '--pool', POOL]);
    const problems = `${stdout}${stderr}`.split('\n').filter((line) => line.startsWith('PROBLEM'));
    expect({ code, problems }).toEqual({ code: 0, problems: [] });
  }

  /** Nothing of any volume is mounted, and the pods' client has ended. */
  async expectNothingMounted(): Promise<void> {
    const { kubeletDir } = driverPaths(this.directory);
    const mounts = async (): Promise<string[]> =>
      (await readMountinfo()).map(({ target }) => target).filter((target) => target.startsWith(`${kubeletDir}/`));
    expect((await mounts()).filter((target) => target.startsWith(join(kubeletDir, 'pods')))).toEqual([]);
    await waitFor('the client of the pods to end', async () => ((await mounts()).length === 0 ? true : undefined));
    const targets = await readdir(join(kubeletDir, 'pods'), { recursive: true });
    expect(targets.filter((path) => path.endsWith('/mount'))).toEqual([]);
  }

  /** No call ended as a fault of the driver itself, by its own log. */
  async expectNoInternal(): Promise<void> {
    const log = await readFile(driverPaths(this.directory).log, 'utf8');
    expect(log.split('\n').filter((line) => /"code":"(INTERNAL|UNKNOWN)"/.test(line))).toEqual([]);
  }
}

function brickOf({ path }: LoopDirectory): string {
  return join(path, 'brick');
}

function handlesOf(told: ReadonlyMap<string, { readonly handle: string }>): ReadonlySet<string> {
  return new Set([...told.values()].map(({ handle }) => handle));
}
