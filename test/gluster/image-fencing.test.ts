import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { loopDevices } from '../../src/linux/loop-devices.js';
import { ClientNetwork } from '../lib/client-network.js';
import { DeviceWriter } from '../lib/device-writer.js';
import { Driver } from '../lib/driver.js';
import { kayal } from '../lib/kayal.js';
import { Glusterd } from '../lib/glusterd.js';
import { MiB, expectStatus, retried } from '../lib/requests.js';
import { mustRun, runCommand } from '../lib/run-command.js';
import { VolumeUser, block } from '../lib/volume-user.js';
import { sleep, waitFor } from '../lib/wait.js';

/** cluster/replicate keeps its lock on a file for a second after a write (post-op-delay-secs). */
const LOCKS_GIVEN_BACK_MS = 3_000;

const SIZE = 8 * MiB;
const HALF = SIZE / 2;
const [FIRST, LATE, NEW] = [0x11, 0x22, 0x33];

let directory: string;
let glusterd: Glusterd;
let network: ClientNetwork;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'f-'));
  glusterd = await Glusterd.start(await mkdtemp(join(directory, 'g-')));
  const bricks = ['b1', 'b2', 'b3'].map((name) => glusterd.brick(name));
  await glusterd.gluster('volume', 'create', 'gv0', 'replica', '3', ...bricks, 'force');
  await glusterd.gluster('volume', 'start', 'gv0');
  network = await ClientNetwork.start(glusterd);
}, 120_000);

afterAll(async () => {
  await network?.stop();
  await glusterd?.stop();
  expect((await loopDevices()).filter(({ file }) => file.includes(directory))).toEqual([]);
});

async function start(
  name: string,
  role: 'controller' | 'node',
  { attach, prefix }: { readonly attach: 'yes' | 'no'; readonly prefix?: readonly string[] },
): Promise<Driver> {
  const pools = [{ name: 'main', type: 'gluster', hosts: [glusterd.host], volume: 'gv0', quota: 'none' }];
  const env = { KAYAL_ATTACH: attach, KAYAL_REGISTER: 'no' };
  return Driver.start({
    directory: await mkdtemp(join(directory, `${name}-`)),
    nodeId: name,
    role,
    pools,
    env,
    prefix,
  });
}

/** Without attach: who stages first has the volume. */
describe('an image on two nodes', { timeout: 120_000 }, () => {
  let controller: Driver;
  let nodes: Driver[] = [];
  const capability = block();
  const userOf = (driver: Driver): VolumeUser => new VolumeUser(driver.directory, () => driver);

  beforeAll(async () => {
    controller = await start('controller', 'controller', { attach: 'no' });
    nodes = [await start('a', 'node', { attach: 'no' }), await start('b', 'node', { attach: 'no' })];
  }, 120_000);

  afterAll(async () => {
    for (const node of nodes) await node.stop();
    await controller?.stop();
  });

  it('is never on both, however often both try at once', async () => {
    const users = nodes.map(userOf);
    const handle = await userOf(controller).create('rivals', { sizeMiB: 1, capability });
    for (let round = 0; round < 8; round++) {
      const tries = users.flatMap((user) => [user, user, user]);
      const outcomes = await Promise.allSettled(tries.map((user) => user.stage(handle, capability)));
      const winners = new Set(tries.filter((_, n) => outcomes[n]?.status === 'fulfilled'));
      expect(winners.size).toBe(1);
      const images = (await loopDevices()).filter(({ file }) => file.includes(`${directory}/`));
      expect(images).toHaveLength(1);
      for (const user of users) await user.unstage(handle);
    }
    await userOf(controller).remove(handle);
  });

  it('goes to the other node by hand when its node is lost, with what is written and without what is not', async () => {
    const [lost, next] = nodes.map(userOf);
    if (lost === undefined || next === undefined) throw new Error('two nodes');
    const maker = userOf(controller);
    const handle = await maker.create('by-hand', { sizeMiB: 4, capability });
    const device = await lost.use(handle, capability);
    const content = randomBytes(4 * MiB);
    await writeFile(device, content);
    await runCommand('blockdev', ['--flushbufs', device]);
    const hint = /in use by node a since .*out-of-service.*kayal volume release main\/by-hand --node a/;
    await expectStatus(next.stage(handle, capability), 'FAILED_PRECONDITION', hint);
    await expectStatus(maker.remove(handle), 'FAILED_PRECONDITION', /in use by node a since/);
    const release = (...more: string[]): ReturnType<typeof kayal> =>
      kayal(controller.directory, ['volume', 'release', handle, '--node', 'a', ...more]);
    expect((await release()).stderr).toMatch(/taken away from node a \(in use there since .*say --yes/);
    expect(await release('--yes')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/not in use by node a/) as string,
    });

    const theirs = await next.use(handle, capability);
    expect((await readFile(theirs)).equals(content)).toBe(true);
    await writeFile(device, Buffer.alloc(4 * MiB, 7));
    await runCommand('blockdev', ['--flushbufs', device]);
    await lost.leave(handle);
    await next.leave(handle);
    expect((await readFile(await next.use(handle, capability))).equals(content)).toBe(true);
    await expectStatus(lost.stage(handle, capability), 'FAILED_PRECONDITION', /in use by node b/);
    await next.leave(handle);
    await lost.stage(handle, capability);
    await lost.unstage(handle);
    await maker.remove(handle);
  });
});

/**
 * A raw block volume on three bricks, used by a node that is lost and comes back. Block, because nothing is between
 * the pod's pages and the image: what the test writes is what arrives, or does not.
 */
describe('a node that is lost while it has dirty pages', { timeout: 400_000 }, () => {
  let controller: Driver;
  let lost: Driver;
  let next: Driver;
  const stopped: number[] = [];
  const capability = block();

  beforeAll(async () => {
    controller = await start('controller', 'controller', { attach: 'yes' });
    lost = await start('lost', 'node', { attach: 'yes', prefix: network.prefix });
    next = await start('next', 'node', { attach: 'yes' });
  }, 120_000);

  afterEach(async () => {
    for (const pid of stopped.splice(0)) process.kill(pid, 'SIGCONT');
    await network.connect();
  });

  afterAll(async () => {
    await lost?.stop();
    await next?.stop();
    await controller?.stop();
  });

  const attach = (handle: string, node_id: string): Promise<unknown> =>
    controller.client.controller.ControllerPublishVolume({ volume_id: handle, node_id, volume_capability: capability });
  const detach = (handle: string, node_id: string): Promise<unknown> =>
    controller.client.controller.ControllerUnpublishVolume({ volume_id: handle, node_id });

  /** Checksums of the volume's images on each brick. */
  const images = async (name: string): Promise<Record<string, string[]>> => {
    const found: Record<string, string[]> = {};
    for (const brick of ['b1', 'b2', 'b3']) {
      const root = glusterd.brick(brick).split(':')[1] ?? '';
      const text = await mustRun('find', [join(root, 'volumes'), '-path', `*/${name}/*`, '-name', 'image.*']);
      for (const file of text.split('\n').filter(Boolean)) {
        const image = file.slice(file.lastIndexOf('/') + 1);
        found[image] = [...(found[image] ?? []), (await mustRun('sha256sum', [file])).slice(0, 64)];
      }
    }
    return found;
  };

  /** The node role and its GlusterFS client. */
  const processesOf = async (driver: Driver): Promise<number[]> => {
    const pids = [driver.pid];
    for (const name of await readdir('/proc')) {
      if (!/^\d+$/.test(name)) continue;
      const command = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '');
      if (/^[^\0]*glusterfs\0/.test(command) && command.includes(driver.directory)) pids.push(Number(name));
    }
    return pids;
  };

  const losses: readonly (readonly [string, () => Promise<void>, () => Promise<void>])[] = [
    ['cut off the network', () => network.cut(), () => network.connect()],
    [
      'stopped, with its client,',
      async () => {
        stopped.push(...(await processesOf(lost)));
        expect(stopped).toHaveLength(2);
        for (const pid of stopped) process.kill(pid, 'SIGSTOP');
      },
      async () => {
        for (const pid of stopped.splice(0)) process.kill(pid, 'SIGCONT');
        await sleep(100);
      },
    ],
  ];

  const expectNoticed = async (onLost: VolumeUser, handle: string): Promise<void> => {
    const request = { volume_id: handle, volume_path: onLost.target(handle) };
    const since = performance.now();
    // Its client goes on showing the file as it knew it, for a quarter of a minute or for more than a minute.
    await waitFor(
      'the lost node to notice',
      async () => {
        const stats = await lost.client.node.NodeGetVolumeStats(request).catch(() => undefined);
        return stats?.volume_condition?.abnormal === true ? true : undefined;
      },
      { timeoutMs: 180_000 },
    );
    console.log(`${handle}: the lost node noticed after ${Math.round(performance.now() - since)} ms`);
    await expectStatus(onLost.publish(handle, capability, { pod: 'again' }), 'UNAVAILABLE', /./);
  };

  it.each(losses)('%s: not a byte of its pages arrives in the image of the next', async (how, lose, comeBack) => {
    const name = `${how.startsWith('cut') ? 'cut' : 'stopped'}-${process.pid}`;
    const onLost = new VolumeUser(lost.directory, () => lost);
    const onNext = new VolumeUser(next.directory, () => next);
    const maker = new VolumeUser(controller.directory, () => controller);
    const handle = await maker.create(name, { sizeMiB: SIZE / MiB, capability });
    await attach(handle, 'lost');
    await expectStatus(attach(handle, 'next'), 'FAILED_PRECONDITION', /attached to lost/);
    const writer = new DeviceWriter(await onLost.use(handle, capability));
    let late: DeviceWriter | undefined;
    try {
      await writer.write(FIRST, 0, SIZE);
      expect(await writer.sync()).toBe('ok');
      // A client that is stopped in the middle of a replicated write keeps its locks: nobody can take its image then.
      await sleep(LOCKS_GIVEN_BACK_MS);
      await writer.write(LATE, 0, HALF);
      await lose();
      // Half of what is not at the bricks waits in the client or on its way there, half of it in the kernel.
      const syncing = writer.sync();
      late = new DeviceWriter(onLost.target(handle));
      await late.write(LATE, HALF, HALF);

      await detach(handle, 'lost');
      const asked = performance.now();
      await retried(() => attach(handle, 'next'));
      console.log(
        `${name}: attached to the next node ${Math.round(performance.now() - asked)} ms after the first call`,
      );
      const device = await onNext.use(handle, capability);
      // Of what was written and not synced before the loss, some may be there; of what came after it, nothing.
      const taken = await readFile(device);
      expect(taken.subarray(0, HALF).every((byte) => byte === FIRST || byte === LATE)).toBe(true);
      expect(taken.subarray(HALF).equals(Buffer.alloc(HALF, FIRST))).toBe(true);
      const newWriter = new DeviceWriter(device);
      try {
        await newWriter.write(NEW, 0, HALF);
        expect(await newWriter.sync()).toBe('ok');
      } finally {
        await newWriter.stop();
      }
      const before = await images(name);
      expect(Object.keys(before)).toEqual(['image.2']);
      expect(new Set(before['image.2']).size).toBe(1);
      expect(before['image.2']).toHaveLength(3);

      await comeBack();
      console.log(`${name}: fsync of the lost node: ${await syncing}, of its later pages: ${await late.sync()}`);
      await late.stop();
      await writer.stop();
      // One that was only stopped still has the old file in its caches, and may not see for long that it is another one.
      if (how.startsWith('cut')) await expectNoticed(onLost, handle);
      await onLost.leave(handle);
      expect(await images(name)).toEqual(before);
      const expected = Buffer.concat([Buffer.alloc(HALF, NEW), Buffer.alloc(HALF, FIRST)]);
      expect((await readFile(device)).equals(expected)).toBe(true);

      await onNext.leave(handle);
      await detach(handle, 'next');
      await attach(handle, 'lost');
      expect((await readFile(await onLost.use(handle, capability))).equals(expected)).toBe(true);
      await onLost.leave(handle);
      await detach(handle, 'lost');
      await maker.remove(handle);
    } finally {
      await comeBack();
      await writer.stop();
      await late?.stop();
      await onNext.leave(handle);
      await onLost.leave(handle);
    }
  });
});
