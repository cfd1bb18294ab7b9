import { join } from 'node:path';
import { Driver, driverPaths, managedPool } from '../lib/driver.js';
import { sleep, waitFor } from '../lib/wait.js';
import { brickProcess, findOnBrick, pendingHeals, sha256 } from './bricks.js';
import { expect, type Steps } from './steps.js';
import { VolumeUser, type DemoVolume } from './volume.js';
import { df, mib, write } from './writer.js';

const MiB = 1024 * 1024;
/** How far one writer may get beyond a limit of `gluster` quota without quotaStrict (docs/quota.md). */
const OVERSHOOT = 1.04;

/** What is running, for the steps that follow and for people who go on playing. */
export interface Demo {
  readonly driver: Driver;
  readonly user: VolumeUser;
  /** The three brick directories. */
  readonly bricks: readonly string[];
  volume: DemoVolume;
  /** The path at which pod 1 has the volume. */
  target: string;
}

/** Starts a replica-3 pool and `kayal all`. */
export async function start(steps: Steps, directory: string): Promise<Demo> {
  const bricks = [1, 2, 3].map((number) => join(directory, 'bricks', `home-${number}`));
  const started: Driver[] = [];
  await steps.step('start a replica-3 pool and "kayal all"', async () => {
    const pools = [await managedPool(directory, 'home')];
    started.push(await Driver.start({ directory, pools, installation: 'demo', logLevel: 'info' }));
    const processes = await Promise.all(
      bricks.map((brick) => waitFor(`the process of ${brick}`, () => brickProcess(brick))),
    );
    return `3 bricks served by the processes ${processes.map(({ pid }) => pid).join(', ')}; the driver is ready`;
  });
  const [driver] = started;
  if (driver === undefined) throw new Error('unreachable: the step would have thrown');
  const user = new VolumeUser(driver.client, driverPaths(directory).kubeletDir);
  return { driver, user, bricks, volume: { id: '', bytes: 0, context: {} }, target: '' };
}

/** A volume of 64 MiB, published, filled, made larger, shared. */
export async function useVolume(steps: Steps, demo: Demo): Promise<void> {
  const { user } = demo;
  await steps.step('create a volume of 64 MiB', async () => {
    demo.volume = await user.create('demo', 64 * MiB);
    expect(demo.volume.bytes === 64 * MiB, `its capacity is ${demo.volume.bytes} bytes`);
    return `${demo.volume.id}, ${mib(demo.volume.bytes)}`;
  });
  await steps.step('publish it to pod 1', async () => {
    await user.stage(demo.volume);
    demo.target = await user.publish(demo.volume, 'pod-1');
    const { size, text } = await df(demo.target);
    expect(size === 64 * MiB, text);
    return text;
  });
  await steps.step('write until the limit stops the writer', async () => {
    const { isComplete, bytes, complaint } = await write(join(demo.target, 'diary'), 100);
    const seen = `${mib(bytes)} (${((bytes / demo.volume.bytes) * 100).toFixed(1)} % of the limit), then "${complaint.replace(/^.*: /, '')}"`;
    expect(!isComplete, `100 MiB went into a volume of 64 MiB`);
    expect(/quota exceeded|No space left/.test(complaint), `dd was stopped by something else: ${complaint}`);
    expect(bytes >= 0.95 * demo.volume.bytes && bytes <= OVERSHOOT * demo.volume.bytes, seen);
    return seen;
  });
  await steps.step('look at the full volume', async () => {
    const { size, used, text } = await df(demo.target);
    const stats = await user.stats(demo.volume, 'pod-1');
    expect(size === 64 * MiB && used >= 0.95 * size, text);
    expect(stats.total === size && stats.used >= 0.95 * size, `NodeGetVolumeStats: ${JSON.stringify(stats)}`);
    return `${text}; NodeGetVolumeStats: ${mib(stats.used)} of ${mib(stats.total)}`;
  });
  await steps.step('expand it to 128 MiB while it is in use', async () => {
    demo.volume = await user.expand(demo.volume, 128 * MiB);
    const { size, text } = await df(demo.target);
    expect(size === 128 * MiB, text);
    return text;
  });
  await steps.step('write more', async () => {
    const { isComplete, bytes, complaint } = await write(join(demo.target, 'more'), 16);
    expect(isComplete && bytes === 16 * MiB, complaint);
    return `${mib(bytes)} written without an error`;
  });
  await steps.step('publish it to pod 2 as well', async () => {
    const second = await user.publish(demo.volume, 'pod-2');
    await write(join(second, 'from-pod-2'), 1);
    expect(
      (await sha256(join(second, 'from-pod-2'))) === (await sha256(join(demo.target, 'from-pod-2'))),
      'pod 1 reads another content than pod 2 wrote',
    );
    return 'pod 1 reads what pod 2 wrote';
  });
}

/** One of three bricks dies under a writer, comes back and is healed. */
export async function loseBrick(steps: Steps, demo: Demo): Promise<void> {
  const [, brick = ''] = demo.bricks;
  await steps.step('kill a brick under a writer', async () => {
    const before = await brickProcess(brick);
    expect(before !== undefined, 'brick 2 has no glusterfsd');
    const writing = write(join(demo.target, 'during'), 24);
    await sleep(300);
    process.kill(before.pid, 'SIGKILL');
    const { isComplete, bytes, complaint } = await writing;
    expect(isComplete && bytes === 24 * MiB, complaint);
    const after = await waitFor('brick 2 to be started again', () => brickProcess(brick));
    return `process ${before.pid} killed, ${mib(bytes)} written without an error, process ${after.pid} took over`;
  });
  await steps.step('let it heal', async () => {
    let noted = 0;
    await waitFor(
      'the end of healing',
      async () => {
        const pending = await pendingHeals(demo.bricks);
        noted = Math.max(noted, pending);
        return pending === 0 ? true : undefined;
      },
      { timeoutMs: 90_000, intervalMs: 100 },
    );
    const copies = (await Promise.all(demo.bricks.map((each) => findOnBrick(each, 'during')))).flat();
    const sums = new Set(await Promise.all(copies.map(sha256)));
    expect(copies.length === 3 && sums.size === 1, `${copies.length} copies with ${sums.size} different contents`);
    return `${noted} entries were noted for healing, none is left; the three copies of the file are identical`;
  });
}

/** Unpublish and delete: nothing of the volume is left in the pool. */
export async function removeVolume(steps: Steps, demo: Demo): Promise<void> {
  await steps.step('unpublish it from both pods', async () => {
    await demo.user.unpublish(demo.volume, 'pod-2');
    await demo.user.unpublish(demo.volume, 'pod-1');
    await demo.user.unstage(demo.volume);
    return 'both paths are gone';
  });
  await steps.step('delete it', async () => {
    await demo.user.delete(demo.volume);
    expect((await demo.user.count()) === 0, 'it is still listed');
    await waitFor('the purge of its data', async () => {
      const files = await Promise.all(demo.bricks.map((brick) => findOnBrick(brick, 'diary')));
      return files.flat().length === 0 ? true : undefined;
    });
    return 'no longer listed, its data is purged from the bricks';
  });
}
