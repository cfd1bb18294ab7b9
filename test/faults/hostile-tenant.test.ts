import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { lstat, mkdir, mkdtemp, readFile, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Driver } from '../lib/driver.js';
import { kayal } from '../lib/kayal.js';
import { startOpen } from '../lib/open-driver.js';
import { directoryPool, singleBrickPool, type PoolKeys } from '../lib/pool-configs.js';
import { publishNew } from '../lib/published-volume.js';
import { SHARED, createRequest, retried } from '../lib/requests.js';
import { runCommand } from '../lib/run-command.js';
import { sleep, waitFor } from '../lib/wait.js';

const TENANT = fileURLToPath(new URL('hostile-tenant.mjs', import.meta.url));
const SECRET = 'a secret of the node';

const kinds: readonly (readonly [string, (directory: string) => Promise<PoolKeys>])[] = [
  [
    'directory',
    async (directory) => {
      await mkdir(join(directory, 'pool'));
      return { ...directoryPool('tree', join(directory, 'pool')), requireMount: false };
    },
  ],
  ['managed', (directory) => singleBrickPool(directory, 'tree')],
];

/**
 * CVE-2026-39822, CVE-2017-1002101, CVE-2021-25741 and their like: links that a tenant plants, and swaps for directories
 * while somebody with more rights walks through.
 */
describe.each(kinds)('a tenant who races the driver with links, on a %s pool', (_kind, makePool) => {
  let directory: string;
  let outside: string;
  let driver: Driver;
  const tenants: ChildProcess[] = [];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'race-'));
    outside = join(directory, 'outside');
    await mkdir(join(outside, 'sub'), { recursive: true });
    await writeFile(join(outside, 'sub', 'file'), SECRET);
    await writeFile(join(outside, 'sub', 'other'), SECRET);
    driver = await startOpen({ directory, pools: [await makePool(directory)], logLevel: 'info' });
  });

  afterAll(async () => {
    await Promise.all(tenants.map((tenant) => end(tenant)));
    await driver?.stop();
  });

  const end = async (tenant: ChildProcess): Promise<void> => {
    if (tenant.exitCode !== null || tenant.signalCode !== null) return;
    const ended = once(tenant, 'exit');
    tenant.kill('SIGKILL');
    await ended;
  };

  const attack = async (cwd: string): Promise<ChildProcess> => {
    // As a user who cannot change what lies outside by himself; nor could he read a program below root's home.
    const program = ['--input-type=module', '--eval', await readFile(TENANT, 'utf8')];
    const tenant = spawn('setpriv', ['--reuid', '1000', '--clear-groups', process.execPath, ...program], {
      cwd,
      env: { ...process.env, OUTSIDE: outside },
      stdio: 'ignore',
    });
    tenants.push(tenant);
    await waitFor('the first links', async () => ((await readdir(cwd)).includes('absolute') ? true : undefined));
    return tenant;
  };

  const expectOutsideUntouched = async (): Promise<void> => {
    expect(await readdir(outside, { recursive: true })).toEqual(['sub', 'sub/file', 'sub/other']);
    for (const name of ['file', 'other']) {
      expect(await readFile(join(outside, 'sub', name), 'utf8')).toBe(SECRET);
      expect((await lstat(join(outside, 'sub', name))).mode & 0o777).toBe(0o644);
    }
  };

  /** grep(1) -r follows no link below its arguments; it ends with 1 when nothing matches. */
  const expectNoSecretIn = async (path: string): Promise<void> => {
    const { code, stdout } = await runCommand('grep', ['-r', '-l', '-D', 'skip', SECRET, path]);
    expect([code, stdout]).toEqual([1, '']);
  };

  it('gets nothing from outside into a snapshot, a clone or another publish', async () => {
    const volume = await publishNew(driver, 'victim', { sizeMiB: 32 });
    const tenant = await attack(volume.path);
    const { controller, node } = driver.client;
    for (const round of [1, 2, 3]) {
      const name = `snap-${round}`;
      const { snapshot } = await retried(() => controller.CreateSnapshot({ name, source_volume_id: volume.handle }));
      const restored = createRequest(`restored-${round}`, { sizeMiB: 32 });
      const source = { snapshot: { snapshot_id: snapshot?.snapshot_id ?? '' } };
      const { volume: made } = await retried(() =>
        controller.CreateVolume({ ...restored, volume_content_source: source }),
      );
      const request = {
        volume_id: made?.volume_id ?? '',
        staging_target_path: join(directory, `restored-${round}-staging`),
        volume_capability: SHARED,
      };
      await mkdir(request.staging_target_path);
      const target_path = join(directory, `restored-${round}-target`);
      await retried(() => node.NodeStageVolume(request));
      await retried(() => node.NodePublishVolume({ ...request, target_path }));
      await expectNoSecretIn(target_path);
      expect((await readdir(target_path)).length).toBeGreaterThan(0);
      await node.NodeUnpublishVolume({ volume_id: request.volume_id, target_path });
      await node.NodeUnstageVolume(request);
      await retried(() => controller.DeleteSnapshot({ snapshot_id: snapshot?.snapshot_id ?? '' }));
      await retried(() => controller.DeleteVolume({ volume_id: request.volume_id }));
    }
    await end(tenant);
    await volume.unpublish();
    await expectOutsideUntouched();
  });

  it.each(['delete', 'archive'])(
    'loses nothing and destroys nothing outside when its volume goes (%s)',
    async (onDelete) => {
      const volume = await publishNew(driver, `gone-${onDelete}`, { sizeMiB: 32, parameters: { onDelete } });
      const tenant = await attack(volume.path);
      // Its process holds the directory, and goes on in it while it is moved and removed.
      await volume.unpublish();
      await retried(() => driver.client.controller.DeleteVolume({ volume_id: volume.handle }));
      await sleep(2_000);
      await end(tenant);
      await expectOutsideUntouched();
    },
  );

  it('does not keep the trash from being emptied, and leaves the pool whole', async () => {
    const found = await waitFor(
      'the doctor to find nothing wrong',
      async () => {
        const { code, stdout } = await kayal(directory, ['doctor']);
        return code === 0 ? stdout : undefined;
      },
      { timeoutMs: 90_000, intervalMs: 2_000 },
    );
    expect(found).not.toContain('PROBLEM');
    await expectOutsideUntouched();
  });
});
