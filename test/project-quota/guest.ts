/*
 * The driver on XFS with project quota. Runs where the kernel has it: on this machine, or in user-mode-linux
 * (project-quota.test.ts says which); so it is a program, and every check that fails ends it.
 */
import assert from 'node:assert/strict';
import { mkdir, readFile, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { IoWorkers } from '../../src/linux/io-workers.js';
import { getQuota } from '../../src/linux/project-quota.js';
import { quiet } from '../../src/linux/testing.js';
import { Tree } from '../../src/linux/tree.js';
import { recordPath } from '../../src/volumes/records/layout.js';
import { Driver, driverPaths, writeConfig } from '../lib/driver.js';
import { fillWithFiles } from '../lib/fill-with-files.js';
import { dfBytes, fill, publishNew, runUnprivileged } from '../lib/published-volume.js';
import { MiB, retried } from '../lib/requests.js';
import { waitFor } from '../lib/wait.js';

const directory = process.env['KAYAL_TEST_DIRECTORY'] ?? '';
const [one = '', a = '', b = '', c = '', plain = ''] = (process.env['KAYAL_TEST_BRICKS'] ?? '').split(':');
const io = new IoWorkers({ log: quiet });

const say = (text: string): void => console.log(text);
await mkdir(join(plain, 'tree'));
const pools = [
  { name: 'r1', type: 'managed', replica: 1, bricks: [join(one, 'brick')] },
  { name: 'r3', type: 'managed', replica: 3, bricks: [a, b, c].map((path) => join(path, 'brick')) },
  { name: 'disk', type: 'managed', replica: 3, bricks: [1, 2, 3].map((number) => join(plain, `brick-${number}`)) },
  { name: 'dir', type: 'directory', path: join(plain, 'tree'), shared: true, quota: 'auto' },
];
const driver = await Driver.start({
  directory,
  pools,
  logLevel: 'info',
  readyMs: 120_000,
});

/** What the driver has open below a brick's filesystem. */
async function openBelow(path: string): Promise<number> {
  const directoryOfFds = `/proc/${driver.pid}/fd`;
  const names = await readdir(directoryOfFds);
  const targets = await Promise.all(names.map((name) => readlink(join(directoryOfFds, name)).catch(() => '')));
  return targets.filter((target) => target === path || target.startsWith(`${path}/`)).length;
}

/** How often the controller has opened a pool. */
async function openings(pool: string): Promise<number> {
  const lines = (await readFile(driverPaths(directory).log, 'utf8')).split('\n');
  return lines.filter((line) => line.includes('"msg":"pool open"') && line.includes(`"pool":"${pool}"`)).length;
}

/** Changes a pool's configuration, which opens it again. */
async function reopen(pool: string, overcommit: number): Promise<void> {
  const before = await openings(pool);
  await writeConfig(
    directory,
    pools.map((keys) => (keys.name === pool ? { ...keys, overcommit } : keys)),
  );
  await waitFor(`${pool} to be opened again`, async () => ((await openings(pool)) > before ? true : undefined), {
    timeoutMs: 60_000,
  });
}

try {
  for (const [pool, brick] of [
    ['r1', join(one, 'brick')],
    ['r3', join(a, 'brick')],
    ['dir', join(plain, 'tree')],
  ] as const) {
    const volume = await publishNew(driver, `${pool}-20`, { sizeMiB: 20, parameters: { pool } });
    const record = JSON.parse(await readFile(join(brick, recordPath(`${pool}-20`)), 'utf8')) as {
      quota: { mechanism: string; projectId: number };
    };
    assert.equal(record.quota.mechanism, 'project', `${pool}: auto takes project quota`);
    assert.equal(await dfBytes(volume.path), 20 * MiB, `${pool}: df shows 20 MiB`);
    const first = await fill(volume.path, 'data', 64);
    assert.equal(first.usedBytes, 20 * MiB, `${pool}: 20 MiB and not a block more (${first.error})`);
    assert.match(first.error, /No space left on device|Disk quota exceeded/);
    say(`${pool}: stopped at ${first.usedBytes} of ${20 * MiB} bytes: ${first.error}`);

    await retried(() =>
      driver.client.controller.ControllerExpandVolume({
        volume_id: volume.handle,
        capacity_range: { required_bytes: 24 * MiB },
      }),
    );
    const second = await fill(volume.path, 'data', 64);
    assert.equal(second.usedBytes, 24 * MiB, `${pool}: expanded by 4 MiB, and not a block more`);
    say(`${pool}: expanded to 24 MiB, stopped at ${second.usedBytes} bytes`);

    const tampered = await runUnprivileged(volume.path, 'xfs_io', ['-c', 'chproj 0', 'data']);
    if (pool === 'dir') {
      assert.equal(tampered.code, 0, 'on a directory pool the owner of a file takes it out of its project');
      const dd = ['if=/dev/zero', 'of=data', 'bs=1M', 'count=16', 'oflag=append', 'conv=notrunc', 'status=none'];
      const past = await runUnprivileged(volume.path, 'dd', dd);
      assert.equal(past.code, 0, 'and writes past the limit: documented as not tamper-proof');
      say('dir: a pod that moves its file to project 0 gets past the limit (docs/quota.md)');
    } else {
      assert.notEqual(tampered.code, 0, `${pool}: project ids are out of reach through GlusterFS`);
      say(`${pool}: chproj through GlusterFS is refused: ${tampered.stderr.trim().split('\n')[0]}`);
    }

    const neighbour = await publishNew(driver, `${pool}-2nd`, { sizeMiB: 4, parameters: { pool } });
    const other = JSON.parse(await readFile(join(brick, recordPath(`${pool}-2nd`)), 'utf8')) as typeof record;
    assert.notEqual(other.quota.projectId, record.quota.projectId, `${pool}: ids are not shared`);
    assert.equal((await fill(neighbour.path, 'data', 64)).usedBytes, 4 * MiB, `${pool}: the neighbour has its own`);

    const counted = await publishNew(driver, `${pool}-files`, { sizeMiB: 4, parameters: { pool, inodeLimit: '20' } });
    const full = await fillWithFiles(counted.path);
    assert.equal(full.files, 19, `${pool}: 20 inodes are 19 files and the root (${full.error})`);
    const { usage } = await driver.client.node.NodeGetVolumeStats({
      volume_id: counted.handle,
      volume_path: counted.path,
    });
    const inodes = usage.find(({ unit }) => unit === 'INODES');
    assert.deepEqual([inodes?.total, inodes?.used, inodes?.available], ['20', '20', '0'], `${pool}: stats show them`);
    await retried(() =>
      driver.client.controller.ControllerModifyVolume({
        volume_id: counted.handle,
        mutable_parameters: { inodeLimit: 'none' },
      }),
    );
    assert.equal((await fillWithFiles(counted.path, 'free')).files, 200, `${pool}: no limit any more`);
    say(`${pool}: stopped at ${full.files} files of 20 inodes: ${full.error.trim().split('\n').at(-1)}`);

    await volume.unpublish();
    await neighbour.unpublish();
    await counted.unpublish();
    for (const handle of [volume.handle, neighbour.handle, counted.handle]) {
      await retried(() => driver.client.controller.DeleteVolume({ volume_id: handle }));
    }
    await waitFor(`${pool}: the trash to be purged`, async () =>
      (await readdir(join(brick, '.kayal/trash'))).length === 0 ? true : undefined,
    );
    const tree = await Tree.open(io, 'check', brick);
    const left = await getQuota(tree, record.quota.projectId);
    await tree.close();
    assert.equal(left.hardBlocksBytes, 0n, `${pool}: the limit of a purged volume is gone`);
    say(`${pool}: three volumes deleted and purged, project ${record.quota.projectId} is free again`);
  }
  const open = await openBelow(one);
  assert.ok(open > 0, 'the controller keeps the brick open, as it sets limits there');
  for (const overcommit of [2, 1]) await reopen('r1', overcommit);
  // What the one before had is closed in the background (glfs_fini takes seconds).
  await waitFor('a pool that is opened again to leave nothing open', async () =>
    (await openBelow(one)) === open ? true : undefined,
  );
  say(`r1: descriptors on the brick: ${open}, as many after it was opened again twice`);

  const room = await retried(() => driver.client.controller.GetCapacity({ parameters: { pool: 'disk' } }));
  assert.ok(Number(room.available_capacity) < (512 * MiB) / 3, 'three copies on one disk are promised once');
  assert.ok(Number(room.available_capacity) > (512 * MiB) / 5, 'and not much less than fits');
  say(`disk: three bricks on one XFS of 512 MiB promise ${Math.floor(Number(room.available_capacity) / MiB)} MiB`);
  say('ALL AS IT SHOULD BE');
} catch (error) {
  say(await readFile(driverPaths(directory).log, 'utf8').then((text) => text.slice(-6000)));
  throw error;
} finally {
  await driver.stop();
  await io.close();
}
