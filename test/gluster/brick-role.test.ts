import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { ownIdentity } from '../../src/linux/process-info.js';
import { startSteadyWriter } from '../faults/steady-writer.js';
import { BrickPool } from '../lib/brick-pool.js';
import type { BrickRole } from '../lib/brick-role.js';
import { dfBytes, fill, publishNew, type PublishedVolume } from '../lib/published-volume.js';
import { MiB } from '../lib/requests.js';
import { mustRun } from '../lib/run-command.js';

const COUNT = 3;
const LIMIT_MIB = 32;
/** What a limit may be exceeded by on replicas with GlusterFS' own quota (docs/quota.md), in percent. */
const OVERSHOOT_PERCENT = 5;

let pool: BrickPool;
let directory: string;
/** Started by a single test. */
const others: BrickRole[] = [];

async function digest(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/** What a role says of a device, on a machine that has no brick. */
async function refusal(brick: number, device: string, file = pool.poolFile): Promise<string> {
  const role = await pool.startRole(brick, device, COUNT, file);
  others.push(role);
  try {
    return await role.problem();
  } finally {
    await role.kill();
  }
}

beforeAll(async () => {
  pool = await BrickPool.start({ layout: { replica: 3 }, count: COUNT, spare: 1 });
  directory = pool.directory;
}, 240_000);

afterEach(async () => {
  for (const role of others.splice(0)) await role.kill();
});

afterAll(() => pool?.stop());

describe('three brick roles on machines of their own', { timeout: 300_000 }, () => {
  let volume: PublishedVolume;

  it('make a pool that the driver knows from a file of its own, and that keeps limits', async () => {
    volume = await publishNew(pool.driver, 'first', { sizeMiB: LIMIT_MIB });
    expect(await dfBytes(volume.path)).toBe(LIMIT_MIB * MiB);
    const { usedBytes, error } = await fill(volume.path, 'full', 2 * LIMIT_MIB);
    expect(error).toMatch(/Disk quota exceeded/);
    expect(usedBytes).toBeGreaterThan(LIMIT_MIB * MiB * 0.95);
    expect(usedBytes).toBeLessThan(LIMIT_MIB * MiB * (1 + OVERSHOOT_PERCENT / 100));
    await rm(join(volume.path, 'full'));
  });

  it('have an XFS each, and all files of the pool on it', async () => {
    await writeFile(join(volume.path, 'everywhere'), 'the same');
    for (const [brick, role] of pool.roles.entries()) {
      const path = join(pool.brickPath(brick), volume.poolPath, 'everywhere');
      expect(await readFile(await role.path(path), 'utf8')).toBe('the same');
      expect(await role.run('stat', '--file-system', '--format=%T', pool.brickPath(brick))).toBe('xfs\n');
      expect(await role.metric('kayal_brick_up')).toBe(1);
      expect(await role.metric('kayal_brick_bytes')).toBeGreaterThan(200 * MiB);
    }
  });

  it('go on serving when one is killed, without an error, and heal it when it is back', async () => {
    const file = join(volume.path, 'steady');
    const writer = await startSteadyWriter(file, join(directory, 'writer.json'));
    try {
      await pool.roles[1]?.kill();
      await writer.goesOn(20);
      await rm(pool.makeFile);
      const back = await pool.startRole(1);
      pool.roles[1] = back;
      await back.ready();
      await writer.goesOn(20);
      expect((await writer.stop()).errors).toEqual({});
    } finally {
      writer.kill();
    }
    await pool.healed();
    const inPool = join(volume.poolPath, 'steady');
    const copies = await Promise.all(
      pool.roles.map(async (role, brick) => digest(await role.path(join(pool.brickPath(brick), inPool)))),
    );
    expect(new Set([...copies, await digest(file)]).size).toBe(1);
  });

  it('end on SIGTERM with nothing left to heal, and leave the device', async () => {
    await pool.connected(volume.path);
    expect(await pool.roles[2]?.stop()).toBe(0);
    await writeFile(join(volume.path, 'without'), 'brick 2');
    const mounted = await readFile('/proc/self/mountinfo', 'utf8');
    expect(mounted).not.toContain(`${pool.devices[2]} `);
    pool.roles[2] = await pool.startRole(2);
    await pool.roles[2].ready();
    await pool.healed();
    const path = join(pool.brickPath(2), volume.poolPath, 'without');
    expect(await readFile(await pool.roles[2].path(path), 'utf8')).toBe('brick 2');
  });

  it('serve on while the machine of one is cut off', async () => {
    const writer = await startSteadyWriter(join(volume.path, 'cut'), join(directory, 'cut.json'));
    await pool.connected(volume.path);
    try {
      await pool.network.cut(0);
      await writer.goesOn(20);
      await pool.network.connect(0);
      await writer.goesOn(20);
      expect((await writer.stop()).errors).toEqual({});
    } finally {
      writer.kill();
    }
    await pool.healed();
  });

  it('give volumes back', async () => {
    await volume.unpublish();
    await pool.driver.client.controller.DeleteVolume({ volume_id: volume.handle });
    for (const [brick, role] of pool.roles.entries()) {
      const path = await role.path(join(pool.brickPath(brick), volume.poolPath));
      await expect(readFile(path)).rejects.toThrow(/ENOENT/);
    }
  });
});

describe('a brick role', { timeout: 120_000 }, () => {
  it('refuses a device that holds a filesystem, says which, and leaves it untouched', async () => {
    await writeFile(pool.makeFile, '0');
    const device = await pool.makeDevice('ext4');
    await mustRun('mkfs.ext4', ['-q', device]);
    const before = await digest(device);
    expect(await refusal(0, device)).toMatch(/holds ext4, and nothing is formatted that holds anything/);
    expect(await digest(device)).toBe(before);
  });

  it('refuses a device with data in its middle, and an XFS with files', async () => {
    const device = await pool.makeDevice('middle');
    await mustRun('dd', ['if=/dev/urandom', `of=${device}`, 'bs=1M', 'count=8', 'seek=150', 'conv=fsync']);
    const before = await digest(device);
    expect(await refusal(0, device)).toMatch(/holds data of an unknown kind/);
    expect(await digest(device)).toBe(before);

    const used = await pool.makeDevice('used');
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
    await writeFile(file, stringify(pool.poolOf('single', { replica: 1 }, [COUNT])));
    await writeFile(join(directory, 'single', 'make'), '0');
    const device = await pool.makeDevice('half');
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
    const role = await pool.startRole(0, device, COUNT, file);
    others.push(role);
    await role.ready();
    await expect(readFile(place)).rejects.toThrow(/ENOENT/);
    expect(await role.run('stat', '--file-system', '--format=%T', pool.brickPath(COUNT))).toBe('xfs\n');
  });

  it('makes nothing in the place of a brick that was there', async () => {
    await rm(pool.makeFile);
    const device = await pool.makeDevice('blank');
    expect(await refusal(0, device)).toMatch(/is blank, but the brick that was made on it is not new/);
  });

  it('refuses the device of another brick', async () => {
    await pool.roles[1]?.stop();
    expect(await refusal(0, pool.devices[1] ?? '')).toMatch(
      /is brick 1 of the pool, but the configuration lists it as 0/,
    );
  });

  it('says that a device is not there', async () => {
    expect(await refusal(1, '/dev/kayal-no-such-disk')).toMatch(/device \/dev\/kayal-no-such-disk is not there/);
  });
});
