import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { driverPaths } from '../lib/driver.js';
import type { KillPoint } from '../lib/fault-file.js';
import { commonPasses } from '../lib/kill-everywhere.js';
import { KillableDriver } from '../lib/killable-driver.js';
import { loopDirectory, type LoopDirectory } from '../lib/loop-directory.js';
import { publishNew, type PublishedVolume } from '../lib/published-volume.js';
import { createRequest, retried } from '../lib/requests.js';
import { mustRun } from '../lib/run-command.js';
import { waitFor } from '../lib/wait.js';

const POOL = 'three';
const PLACE = '.kayal/data/snapshots/snap';

let directory: string;
let disks: LoopDirectory[];
let driver: KillableDriver;
let source: PublishedVolume;

const bricks = (): string[] => disks.map(({ path }) => join(path, 'brick'));
const mount = (): string => join(driverPaths(directory).stateDir, 'control', POOL, 'mnt');

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'hp-'));
  disks = [];
  for (const name of ['d1', 'd2', 'd3']) disks.push(await loopDirectory(directory, name, 256));
  driver = await KillableDriver.start({
    directory,
    pools: [{ name: POOL, type: 'managed', replica: 3, bricks: bricks(), quota: 'gluster' }],
  });
  source = await publishNew(driver, 'source', { sizeMiB: 16 });
  await mkdir(join(source.path, 'd'));
  for (const name of ['first', 'd/second']) await writeFile(join(source.path, name), name.repeat(1000));
});

afterAll(async () => {
  await source?.unpublish();
  await driver?.stop();
  for (const disk of disks) await disk.remove();
});

const take = () => driver.client.controller.CreateSnapshot({ name: 'snap', source_volume_id: `${POOL}/source` });
const remove = () => retried(() => driver.client.controller.DeleteSnapshot({ snapshot_id: `${POOL}/snap` }));

/** A copy that is whole and waits for its place, as the first brick has it. */
async function stagedCopy(): Promise<string | undefined> {
  const [brick = ''] = bricks();
  const leases = '.kayal/leases';
  for (const fence of await readdir(join(brick, leases))) {
    if (!/^controller\.\d+$/.test(fence)) continue;
    const copy = (await readdir(join(brick, leases, fence))).find((name) => name.startsWith('copy~snapshot~snap~'));
    if (copy !== undefined) return join(leases, fence, copy);
  }
  return undefined;
}

/** What one brick does of a rename that the others refuse. */
async function renameOnBrick(index: number, from: string, to: string): Promise<void> {
  const place = join(directory, 'one-brick');
  await mkdir(place, { recursive: true });
  const volfile = join(driverPaths(directory).stateDir, 'managed', POOL, `brick-client-${index}.vol`);
  await mustRun('glusterfs', [`--volfile=${volfile}`, '--volfile-id=one', `--log-file=${place}.log`, place]);
  try {
    await mustRun('mv', ['-T', join(place, from), join(place, to)]);
  } finally {
    await mustRun('umount', [place]);
  }
}

const described = (path: string): Promise<string> =>
  mustRun('bash', ['-c', 'find . -type f -print0 | sort -z | xargs -0 sha256sum'], { cwd: path });

const startAndTake = async (): Promise<void> => {
  await driver.startAgain();
  await driver.untilKilled(take);
};

/** The driver is dead, the copy waits for its place; now one brick of three has renamed it. @returns false: it does not wait */
async function halve(index: number): Promise<boolean> {
  const staged = await stagedCopy();
  if (staged === undefined || existsSync(join(bricks()[index] ?? '', PLACE))) return false;
  await renameOnBrick(index, staged, PLACE);
  return true;
}

/** The point of the rename that gives the copy its place. */
async function placingPoint(): Promise<KillPoint> {
  const traced = async (): Promise<string[]> => {
    const trace = await driver.faults.trace(() => retried(take));
    await remove();
    return trace;
  };
  for (const at of commonPasses(await traced(), await traced()).reverse()) {
    if (!at.point.startsWith('rename') || !at.point.endsWith('/before')) continue;
    await killedAt(at, () => driver.untilKilled(take));
    const isIt = (await stagedCopy()) !== undefined;
    await startAndTake();
    await remove();
    if (isIt) return at;
  }
  throw new Error('no rename gives the copy its place');
}

async function killedAt(at: KillPoint, work: () => Promise<unknown>): Promise<void> {
  await driver.faults.arm(at);
  await work().catch(() => undefined);
  await driver.faults.disarm();
  const isKilled = await driver.faults.hasKilled('a rename on some bricks is taken back');
  expect({ at, isKilled }).toEqual({ at, isKilled: true });
  await driver.driver.kill();
}

async function expectWhole(original: string): Promise<void> {
  expect(await described(join(mount(), PLACE))).toBe(original);
  await waitFor('all bricks to have it', async () => {
    const found = await Promise.all(bricks().map((brick) => described(join(brick, PLACE)).catch(() => '')));
    return found.every((one) => one === original) ? true : undefined;
  });
  const restored = { volume_content_source: { snapshot: { snapshot_id: `${POOL}/snap` } } };
  const { volume } = await retried(() =>
    driver.client.controller.CreateVolume({ ...createRequest('again', { sizeMiB: 16 }), ...restored }),
  );
  expect(await described(join(mount(), volume?.volume_context['path'] ?? ''))).toBe(original);
  await retried(() => driver.client.controller.DeleteVolume({ volume_id: `${POOL}/again` }));
  await remove();
  await driver.expectInvariants('again');
}

it('a copy that got its place on one brick of three is made again, whole', { timeout: 300_000 }, async () => {
  const original = await described(source.path);
  const placing = await placingPoint();
  await driver.expectInvariants('first');
  const halved = async (index: number): Promise<void> => {
    await killedAt(placing, () => driver.untilKilled(take));
    expect(await halve(index)).toBe(true);
  };
  await halved(0);
  const trace = await driver.faults.trace(startAndTake);
  await expectWhole(original);
  const undoing = [...new Set(trace)].filter((point) => point.startsWith('renameOnBrick@'));
  expect(undoing).toHaveLength(2);
  // Another brick each time: one of the three is the one that the client reads directories from.
  for (const [index, point] of undoing.entries()) {
    await halved(index + 1);
    await killedAt({ point, pass: 1 }, startAndTake);
    await startAndTake();
    await expectWhole(original);
  }
});
