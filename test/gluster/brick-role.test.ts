import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { ownIdentity } from '../../src/linux/process-info.js';
import { startSteadyWriter } from '../faults/steady-writer.js';
import { BrickNetwork } from '../lib/brick-network.js';
import { BrickRole } from '../lib/brick-role.js';
import { Driver } from '../lib/driver.js';
import { availableBytes } from '../lib/open-driver.js';
import { dfBytes, fill, publishNew, type PublishedVolume } from '../lib/published-volume.js';
import { MiB } from '../lib/requests.js';
import { mustRun, runCommand } from '../lib/run-command.js';
import { waitFor } from '../lib/wait.js';

const POOL = 'lagoon';
const PORT = 24_100;
const COUNT = 3;
const LIMIT_MIB = 32;
/** What a limit may be exceeded by on replicas with GlusterFS' own quota (docs/quota.md), in percent. */
const OVERSHOOT_PERCENT = 5;

let directory: string;
let network: BrickNetwork;
let devices: string[];
let driver: Driver | undefined;
const roles: BrickRole[] = [];
/** Started by a single test. */
const others: BrickRole[] = [];

const poolFile = (): string => join(directory, 'etc', 'pool.yaml');
const brickPath = (brick: number): string => join(directory, 'm', `${brick}`, 'brick');

/** A pool of one group, a brick on each of those machines. */
function poolOf(name: string, machines: readonly number[]): object {
  return {
    name,
    type: 'managed',
    replica: machines.length,
    bricks: machines.map(brickPath),
    remote: {
      volumeId: randomUUID(),
      credentials: { username: randomUUID(), password: randomUUID() },
      addresses: machines.map((machine) => `${network.address(machine)}:${PORT}`),
    },
  };
}

async function makeDevice(name: string): Promise<string> {
  const image = join(directory, `${name}.img`);
  await mustRun('truncate', ['--size=320M', image]);
  return (await mustRun('losetup', ['--find', '--show', image])).trim();
}

async function digest(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

function startRole(brick: number, device = devices[brick], place = brick, file = poolFile()): Promise<BrickRole> {
  return BrickRole.start({
    directory: join(directory, `r${place}`),
    poolFile: file,
    brick,
    device,
    prefix: network.prefixOf(place),
  });
}

/** What a role says of a device, on a machine that has no brick. */
async function refusal(brick: number, device: string, file = poolFile()): Promise<string> {
  const role = await startRole(brick, device, COUNT, file);
  others.push(role);
  try {
    return await role.problem();
  } finally {
    await role.kill();
  }
}

async function healed(): Promise<void> {
  await waitFor(
    'heal info to be empty',
    async () => {
      const waiting = await Promise.all(roles.map((role) => role.metric('kayal_brick_pending_heals')));
      return waiting.every((count) => count === 0) ? true : undefined;
    },
    { timeoutMs: 120_000, intervalMs: 1_000 },
  );
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'b-'));
  network = await BrickNetwork.start(COUNT + 1);
  await mkdir(join(directory, 'etc'));
  await mkdir(join(directory, 'm'));
  const bricks = Array.from({ length: COUNT }, (_, brick) => brick);
  devices = await Promise.all(bricks.map((brick) => makeDevice(`d${brick}`)));
  await writeFile(poolFile(), stringify(poolOf(POOL, bricks)));
  await writeFile(join(directory, 'etc', 'make'), bricks.join(','));
  for (const brick of bricks) roles.push(await startRole(brick));
  await Promise.all(roles.map((role) => role.ready()));
  driver = await Driver.start({
    directory: join(directory, 'd'),
    pools: [],
    prefix: network.prefix,
    logLevel: 'info',
    env: { KAYAL_POOLS_DIR: join(directory, 'etc') },
  });
  await availableBytes(driver, POOL);
}, 240_000);

afterEach(async () => {
  for (const role of others.splice(0)) await role.kill();
});

afterAll(async () => {
  await driver?.stop();
  for (const role of roles) await role.stop();
  for (const device of devices ?? []) await runCommand('losetup', ['--detach', device]);
  await network?.stop();
  await rm(directory, { recursive: true, force: true });
});

describe('three brick roles on machines of their own', { timeout: 300_000 }, () => {
  let volume: PublishedVolume;

  it('make a pool that the driver knows from a file of its own, and that keeps limits', async () => {
    if (driver === undefined) throw new Error('there is no driver');
    volume = await publishNew(driver, 'first', { sizeMiB: LIMIT_MIB });
    expect(await dfBytes(volume.path)).toBe(LIMIT_MIB * MiB);
    const { usedBytes, error } = await fill(volume.path, 'full', 2 * LIMIT_MIB);
    expect(error).toMatch(/Disk quota exceeded/);
    expect(usedBytes).toBeGreaterThan(LIMIT_MIB * MiB * 0.95);
    expect(usedBytes).toBeLessThan(LIMIT_MIB * MiB * (1 + OVERSHOOT_PERCENT / 100));
    await rm(join(volume.path, 'full'));
  });

  it('have an XFS each, and all files of the pool on it', async () => {
    await writeFile(join(volume.path, 'everywhere'), 'the same');
    for (const [brick, role] of roles.entries()) {
      const path = join(brickPath(brick), volume.poolPath, 'everywhere');
      expect(await readFile(await role.path(path), 'utf8')).toBe('the same');
      expect(await role.run('stat', '--file-system', '--format=%T', brickPath(brick))).toBe('xfs\n');
      expect(await role.metric('kayal_brick_up')).toBe(1);
      expect(await role.metric('kayal_brick_bytes')).toBeGreaterThan(200 * MiB);
    }
  });

  it('go on serving when one is killed, without an error, and heal it when it is back', async () => {
    const file = join(volume.path, 'steady');
    const writer = await startSteadyWriter(file, join(directory, 'writer.json'));
    try {
      await roles[1]?.kill();
      await writer.goesOn(20);
      await rm(join(directory, 'etc', 'make'));
      const back = await startRole(1);
      roles[1] = back;
      await back.ready();
      await writer.goesOn(20);
      expect((await writer.stop()).errors).toEqual({});
    } finally {
      writer.kill();
    }
    await healed();
    const inPool = join(volume.poolPath, 'steady');
    const copies = await Promise.all(
      roles.map(async (role, brick) => digest(await role.path(join(brickPath(brick), inPool)))),
    );
    expect(new Set([...copies, await digest(file)]).size).toBe(1);
  });

  it('end on SIGTERM with nothing left to heal, and leave the device', async () => {
    expect(await roles[2]?.stop()).toBe(0);
    await writeFile(join(volume.path, 'without'), 'brick 2');
    const mounted = await readFile('/proc/self/mountinfo', 'utf8');
    expect(mounted).not.toContain(`${devices[2]} `);
    roles[2] = await startRole(2);
    await roles[2].ready();
    await healed();
    const path = join(brickPath(2), volume.poolPath, 'without');
    expect(await readFile(await roles[2].path(path), 'utf8')).toBe('brick 2');
  });

  it('serve on while the machine of one is cut off', async () => {
    const writer = await startSteadyWriter(join(volume.path, 'cut'), join(directory, 'cut.json'));
    try {
      await network.cut(0);
      await writer.goesOn(20);
      await network.connect(0);
      await writer.goesOn(20);
      expect((await writer.stop()).errors).toEqual({});
    } finally {
      writer.kill();
    }
    await healed();
  });

  it('give volumes back', async () => {
    await volume.unpublish();
    await driver?.client.controller.DeleteVolume({ volume_id: volume.handle });
    for (const [brick, role] of roles.entries()) {
      const path = await role.path(join(brickPath(brick), volume.poolPath));
      await expect(readFile(path)).rejects.toThrow(/ENOENT/);
    }
  });
});

describe('a brick role', { timeout: 120_000 }, () => {
  it('refuses a device that holds a filesystem, says which, and leaves it untouched', async () => {
    await writeFile(join(directory, 'etc', 'make'), '0');
    const device = await makeDevice('ext4');
    devices.push(device);
    await mustRun('mkfs.ext4', ['-q', device]);
    const before = await digest(device);
    expect(await refusal(0, device)).toMatch(/holds ext4, and nothing is formatted that holds anything/);
    expect(await digest(device)).toBe(before);
  });

  it('refuses a device with data in its middle, and an XFS with files', async () => {
    const device = await makeDevice('middle');
    devices.push(device);
    await mustRun('dd', ['if=/dev/urandom', `of=${device}`, 'bs=1M', 'count=8', 'seek=150', 'conv=fsync']);
    const before = await digest(device);
    expect(await refusal(0, device)).toMatch(/holds data of an unknown kind/);
    expect(await digest(device)).toBe(before);

    const used = await makeDevice('used');
    devices.push(used);
    await mustRun('mkfs.xfs', ['-q', used]);
    const mountPoint = join(directory, 'used');
    await mkdir(mountPoint);
    await mustRun('mount', [used, mountPoint]);
    await writeFile(join(mountPoint, 'thesis.odt'), 'years of work');
    await mustRun('umount', [mountPoint]);
    expect(await refusal(0, used)).toMatch(/holds an XFS with files \(thesis\.odt\)/);
  });

  it('formats again what it was formatting when it was killed, and nothing that only looks so', async () => {
    const file = join(directory, 'single', 'pool.yaml');
    await mkdir(join(directory, 'single'));
    await writeFile(file, stringify(poolOf('single', [COUNT])));
    await writeFile(join(directory, 'single', 'make'), '0');
    const device = await makeDevice('half');
    devices.push(device);
    await mustRun('mkfs.xfs', ['-q', device]);
    // xfs_dsb: sb_inprogress, which mkfs.xfs takes away at its end; no kernel mounts what has it.
    await mustRun('dd', [`of=${device}`, 'bs=1', 'seek=126', 'count=1', 'conv=notrunc,fsync'], { input: '\x01' });
    expect(await refusal(0, device, file)).toMatch(/cannot be mounted/);

    const { rdev } = await stat(device);
    const dev = `${rdev >> 8}:${rdev & 0xff}`;
    const marker = { dev, bytes: 320 * MiB, bootId: (await ownIdentity()).bootId };
    const place = join(directory, `r${COUNT}`, 's', 'single-0', 'formatting.json');
    await writeFile(place, `${JSON.stringify({ ...marker, bootId: 'another' })}\n`);
    expect(await refusal(0, device, file)).toMatch(/cannot be mounted/);

    await writeFile(place, `${JSON.stringify(marker)}\n`);
    const role = await startRole(0, device, COUNT, file);
    others.push(role);
    await role.ready();
    await expect(readFile(place)).rejects.toThrow(/ENOENT/);
    expect(await role.run('stat', '--file-system', '--format=%T', brickPath(COUNT))).toBe('xfs\n');
  });

  it('makes nothing in the place of a brick that was there', async () => {
    await rm(join(directory, 'etc', 'make'));
    const device = await makeDevice('blank');
    devices.push(device);
    expect(await refusal(0, device)).toMatch(/is blank, but the brick that was made on it is not new/);
  });

  it('refuses the device of another brick', async () => {
    await roles[1]?.stop();
    expect(await refusal(0, devices[1] ?? '')).toMatch(/is brick 1 of the pool, but the configuration lists it as 0/);
  });

  it('says that a device is not there', async () => {
    expect(await refusal(1, '/dev/kayal-no-such-disk')).toMatch(/device \/dev\/kayal-no-such-disk is not there/);
  });
});
