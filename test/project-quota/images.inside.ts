import { mkdtemp, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Driver } from '../lib/driver.js';
import { MiB } from '../lib/requests.js';
import { dfBytes } from '../lib/published-volume.js';
import { VolumeUser, block, mounted } from '../lib/volume-user.js';
import { xfsMounts } from './bricks.js';

let driver: Driver;
let user: VolumeUser;

beforeAll(async () => {
  const directory = await mkdtemp(join(process.env['KAYAL_TEST_DIRECTORY'] ?? '', 'im-'));
  const path = await mkdtemp(join(xfsMounts()[1], 'images-'));
  driver = await Driver.start({
    directory,
    pools: [{ name: 'main', type: 'directory', path, shared: true, quota: 'project' }],
    readyMs: 120_000,
  });
  user = new VolumeUser(directory, () => driver);
});

afterAll(async () => {
  await driver?.stop();
});

/** Here root has CAP_SYS_RESOURCE, which a sandbox may not have. */
test('an ext4 in a file grows while it is mounted', async () => {
  const parameters = { volumeType: 'file' };
  const handle = await user.create('fs', { sizeMiB: 24, capability: mounted(), parameters });
  const path = await user.use(handle, mounted());
  await writeFile(join(path, 'file'), 'kept');
  const before = await dfBytes(path);
  expect(await user.expand(handle, 64)).toBe(true);
  expect(await dfBytes(path)).toBeGreaterThan(before + 36 * MiB);
  expect(await readFile(join(path, 'file'), 'utf8')).toBe('kept');
  await user.leave(handle);
  await user.remove(handle);
});

test('a raw block volume takes its last byte in spite of the limit around it', async () => {
  const handle = await user.create('raw', { sizeMiB: 16, capability: block() });
  const device = await user.use(handle, block());
  const file = await open(device, 'r+');
  await file.write(Buffer.alloc(16 * MiB, 7));
  await file.sync();
  await file.close();
  expect((await readFile(device)).equals(Buffer.alloc(16 * MiB, 7))).toBe(true);
  await user.leave(handle);
  await user.remove(handle);
});
