/*
 * The driver on XFS with project quota. Runs where the kernel has it: on this machine, or in user-mode-linux
 * (project-quota.test.ts says which); so it is a program, and every check that fails ends it.
 */
import assert from 'node:assert/strict';
import { mkdir, readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { IoWorkers } from '../../src/linux/io-workers.js';
import { getQuota } from '../../src/linux/project-quota.js';
import { Tree } from '../../src/linux/tree.js';
import { recordPath } from '../../src/volumes/records/layout.js';
import { Driver, driverPaths } from '../lib/driver.js';
import { dfBytes, fill, publishNew, runUnprivileged } from '../lib/published-volume.js';
import { MiB, retried } from '../lib/requests.js';
import { waitFor } from '../lib/wait.js';

const directory = process.env['KAYAL_TEST_DIRECTORY'] ?? '';
const [one = '', a = '', b = '', c = '', plain = ''] = (process.env['KAYAL_TEST_BRICKS'] ?? '').split(':');
const quiet = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };
const io = new IoWorkers({ log: quiet });

const say = (text: string): void => console.log(text);
await mkdir(join(plain, 'tree'));
const driver = await Driver.start({
  directory,
  pools: [
    { name: 'r1', type: 'managed', replica: 1, bricks: [join(one, 'brick')] },
    { name: 'r3', type: 'managed', replica: 3, bricks: [a, b, c].map((path) => join(path, 'brick')) },
    { name: 'disk', type: 'managed', replica: 3, bricks: [1, 2, 3].map((number) => join(plain, `brick-${number}`)) },
    { name: 'dir', type: 'directory', path: join(plain, 'tree'), shared: true, quota: 'auto' },
  ],
  logLevel: 'info',
  readyMs: 120_000,
});
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

    await volume.unpublish();
    await neighbour.unpublish();
    for (const handle of [volume.handle, neighbour.handle]) {
      await retried(() => driver.client.controller.DeleteVolume({ volume_id: handle }));
    }
    await waitFor(`${pool}: the trash to be purged`, async () =>
      (await readdir(join(brick, '.kayal/trash'))).length === 0 ? true : undefined,
    );
    const tree = await Tree.open(io, 'check', brick);
    const left = await getQuota(tree, record.quota.projectId);
    await tree.close();
    assert.equal(left.hardBlocksBytes, 0n, `${pool}: the limit of a purged volume is gone`);
    say(`${pool}: two volumes deleted and purged, project ${record.quota.projectId} is free again`);
  }
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
