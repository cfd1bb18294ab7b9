import { mkdir, mkdtemp, readFile, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readMountinfo } from '../../src/linux/mountinfo.js';
import { type Driver, driverPaths } from '../lib/driver.js';
import { startOpen } from '../lib/open-driver.js';
import { directoryPool, singleBrickPool } from '../lib/pool-configs.js';
import { publishNew } from '../lib/published-volume.js';
import { SHARED, claimParameters, createRequest, expectStatus } from '../lib/requests.js';
import { runCommand } from '../lib/run-command.js';
import { sleep } from '../lib/wait.js';

const METRICS = '127.0.0.1:19809';
/** The controller looks at requests every second or two. */
const LOOKED_AT_MS = 3_000;
const SECRET = 'what-nobody-may-read';

/** What other CSI drivers were attacked with, one class after the other. */
describe('known attacks on CSI drivers', () => {
  let directory: string;
  let poolPath: string;
  let driver: Driver;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'cve-'));
    poolPath = join(directory, 'pool');
    await mkdir(poolPath);
    await mkdir(join(directory, 'beside'));
    await writeFile(join(directory, 'beside', 'file'), SECRET);
    await mkdir(join(poolPath, 'foreign'));
    await writeFile(join(poolPath, 'foreign', 'file'), SECRET);
    driver = await startOpen({
      directory,
      pools: [{ ...directoryPool('dir', poolPath), requireMount: false }, await singleBrickPool(directory, 'bricks')],
      metricsAddress: METRICS,
    });
  });

  afterAll(async () => {
    await driver?.stop();
  });

  const expectAllThere = async (): Promise<void> => {
    expect(await readFile(join(directory, 'beside', 'file'), 'utf8')).toBe(SECRET);
    expect(await readFile(join(poolPath, 'foreign', 'file'), 'utf8')).toBe(SECRET);
    expect((await stat(join(poolPath, '.kayal', 'pool.json'))).isFile()).toBe(true);
  };

  const mountsHere = async (): Promise<string[]> =>
    (await readMountinfo()).map(({ target }) => target).filter((target) => target.startsWith(`${directory}/`));

  const ESCAPES = ['../beside', 'x/../../beside', '..', '.', '.kayal', 'foreign', '%2e%2e/beside', 'foreign/', '/etc'];

  describe('CVE-2026-3864, CVE-2026-3865: a volume id that leads out of the share', () => {
    it.each(ESCAPES)('dir/%s: is not deleted, and not published', async (path) => {
      const before = await mountsHere();
      await driver.client.controller.DeleteVolume({ volume_id: `dir/${path}` }).catch(() => undefined);
      const call = {
        volume_id: `dir/${path}`,
        staging_target_path: join(directory, 'staging'),
        target_path: join(directory, 'target'),
        volume_capability: SHARED,
      };
      await expectStatus(driver.client.node.NodePublishVolume(call), 'NOT_FOUND', /does not exist/);
      expect(await mountsHere()).toEqual(before);
      await expectAllThere();
    });

    it.each(ESCAPES)(
      'a PersistentVolume whose path is %j is refused, or serves what lies in the pool',
      async (path) => {
        const call = {
          volume_id: 'dir/static',
          staging_target_path: join(directory, 'staging'),
          target_path: join(directory, 'target'),
          volume_capability: SHARED,
          volume_context: { pool: 'dir', path },
        };
        const published = await driver.client.node.NodePublishVolume(call).then(
          () => true,
          () => false,
        );
        expect(published).toBe(path === 'foreign');
        if (published) await driver.client.node.NodeUnpublishVolume(call);
        await driver.client.controller.DeleteVolume({ volume_id: 'dir/static' });
        await expectAllThere();
      },
    );
  });

  describe('CVE-2025-62878: a pathPattern that leads elsewhere', () => {
    it.each(['../beside/${pvc.metadata.name}', '/${pvc.metadata.name}', '.kayal/${pvc.metadata.name}', 'a/../../b'])(
      'the pattern %j is refused',
      async (pathPattern) => {
        const parameters = { pool: 'dir', pathPattern, ...claimParameters('ns', 'claim', 'pv') };
        await expectStatus(
          driver.client.controller.CreateVolume(createRequest('p', { parameters })),
          'INVALID_ARGUMENT',
          /pathPattern/,
        );
        await expectAllThere();
      },
    );

    it.each(['..', '../..', 'a/b', '.kayal', '\0'])('the claim name %j is refused', async (name) => {
      const pathPattern = '${pvc.metadata.name}';
      const parameters = { pool: 'dir', pathPattern, ...claimParameters('ns', name, 'pv') };
      await expectStatus(
        driver.client.controller.CreateVolume(createRequest('p', { parameters })),
        'INVALID_ARGUMENT',
        /pvc|path/,
      );
      await expectAllThere();
    });

    it('a link on the way is not followed', async () => {
      await symlink(join(directory, 'beside'), join(poolPath, 'way'));
      const parameters = { pool: 'dir', pathPattern: 'way/${pvc.metadata.name}', ...claimParameters('ns', 'c', 'pv') };
      const made = driver.client.controller.CreateVolume(createRequest('p', { parameters }));
      expect(await made.catch(() => 'refused')).toBe('refused');
      expect(await readdir(join(directory, 'beside'))).toEqual(['file']);
      await driver.client.controller.DeleteVolume({ volume_id: 'dir/p' });
    });
  });

  describe('CVE-2026-6437: mount options smuggled in', () => {
    it.each(['ro,suid', 'suid', 'dev', 'exec', 'context=system_u:x', 'bind', 'remount', 'xlator-option=*.x=y', ''])(
      'the mount flag %j is refused',
      async (flag) => {
        const call = {
          ...createRequest('flags', { parameters: { pool: 'dir' } }),
          volume_capabilities: [{ ...SHARED, mount: { fs_type: '', mount_flags: [flag] } }],
        };
        await expectStatus(driver.client.controller.CreateVolume(call), 'INVALID_ARGUMENT', /mount/);
      },
    );

    it('a comma in a handle is no option', async () => {
      const call = {
        volume_id: 'dir/x,suid,dev',
        staging_target_path: join(directory, 'staging'),
        target_path: join(directory, 'target'),
        volume_capability: SHARED,
      };
      await expectStatus(driver.client.node.NodePublishVolume(call), 'NOT_FOUND', /does not exist/);
    });
  });

  describe('csi-driver-host-path #644: snapshot ids that are paths', () => {
    it.each(['dir/..', 'dir/../../beside', 'dir/.kayal', '..', '/etc', 'dir/', '/'])('%j', async (id) => {
      await driver.client.controller.DeleteSnapshot({ snapshot_id: id }).catch(() => undefined);
      const source = { snapshot: { snapshot_id: id } };
      const wanted = { ...createRequest('from', { parameters: { pool: 'dir' } }), volume_content_source: source };
      expect(await driver.client.controller.CreateVolume(wanted).catch(() => 'refused')).toBe('refused');
      await expectAllThere();
    });
  });

  describe('CVE-2024-3744, CVE-2023-2878, CVE-2025-7445: tokens in the log', () => {
    it('a service account token is stripped, whatever becomes of the call', async () => {
      const volume_context = { 'csi.storage.k8s.io/serviceAccount.tokens': `{"aud":{"token":"${SECRET}"}}` };
      const paths = { staging_target_path: join(directory, 'staging'), target_path: join(directory, 'target') };
      for (const volume_id of ['dir/none', 'nowhere/x', '', 'dir/../x']) {
        const call = { volume_id, ...paths, volume_context, volume_capability: SHARED };
        await driver.client.node.NodePublishVolume(call).catch(() => undefined);
        await driver.client.node.NodeStageVolume(call).catch(() => undefined);
      }
      expect(await readFile(driverPaths(directory).log, 'utf8')).not.toContain(SECRET);
    });
  });

  describe('CVE-2020-8567: names in the pool that lead out of it', () => {
    it('a request or record whose content names another path changes nothing there', async () => {
      const hostile = {
        id: '../../beside/x',
        handle: 'dir/../beside',
        path: '../beside',
        size: '1048576',
        node: '../x',
      };
      await writeFile(join(poolPath, '.kayal', 'requests', 'evil.json'), JSON.stringify(hostile));
      await driver.client.controller.CreateVolume(createRequest('calm', { parameters: { pool: 'dir' } }));
      await driver.client.controller.DeleteVolume({ volume_id: 'dir/calm' });
      await sleep(LOOKED_AT_MS);
      expect(await readdir(join(directory, 'beside'))).toEqual(['file']);
      await expectAllThere();
    });
  });

  describe('CVE-2021-36779, CVE-2021-36780: what listens asks who calls', () => {
    it('a brick gives no file and no volfile to a client without the pool’s credentials', async () => {
      const volume = await publishNew(driver, 'guarded', { sizeMiB: 16, parameters: { pool: 'bricks' } });
      await writeFile(join(volume.path, 'file'), SECRET);
      const own = await volfileOf('bricks');
      const port = /option remote-port (\d+)/.exec(own)?.[1] ?? '';
      const mountPoint = join(directory, 'intruder');
      await mkdir(mountPoint);
      const without = own.replaceAll(/^\s*option (username|password) .*$/gm, '');
      const wrong = own.replaceAll(/(option password) .*$/gm, '$1 guessed');
      for (const [index, volfile] of [without, wrong].entries()) {
        expect(volfile).not.toBe(own);
        const file = join(directory, `intruder-${index}.vol`);
        await writeFile(file, volfile);
        const log = `${file}.log`;
        await runCommand('glusterfs', ['-N', '-f', file, '-l', log, '--volfile-id=bricks', mountPoint], {
          timeoutMs: 30_000,
        });
        expect(await readFile(log, 'utf8')).toMatch(/[Aa]uthentication|AUTH_FAILED/);
        expect(await readdir(mountPoint)).toEqual([]);
      }
      const asked = ['-N', '-s', '127.0.0.1', `--volfile-server-port=${port}`, '--volfile-id=bricks', '-l'];
      const log = join(directory, 'asked.log');
      await runCommand('glusterfs', [...asked, log, mountPoint], { timeoutMs: 30_000 });
      expect(await mountsHere()).not.toContain(mountPoint);
      expect(await readFile(log, 'utf8')).not.toContain('option password');
      await volume.unpublish();
    }, 120_000);

    it('the HTTP port answers what it is for, and nothing else', async () => {
      const ask = (method: string, path: string): Promise<number> =>
        new Promise((resolve, reject) => {
          const [host, port] = METRICS.split(':');
          const sent = request({ host, port, method, path }, (response) => {
            response.resume();
            resolve(response.statusCode ?? 0);
          });
          sent.on('error', reject);
          sent.end();
        });
      expect(await ask('GET', '/metrics')).toBe(200);
      for (const path of ['/', '/metrics/../etc/passwd', '/debug', '/csi.v1.Node/NodePublishVolume']) {
        expect(await ask('GET', path)).toBe(404);
      }
      for (const method of ['POST', 'PUT', 'DELETE']) {
        expect(await ask(method, '/metrics')).toBeGreaterThanOrEqual(400);
      }
    });
  });

  describe('GlusterFS’ .meta: the credentials of the pool', () => {
    it('cannot be reached from a volume', async () => {
      const volume = await publishNew(driver, 'meta', { sizeMiB: 16, parameters: { pool: 'bricks' } });
      for (const path of ['.meta', '../.meta', '../../.meta', '../../../.meta']) {
        expect(await readdir(`${volume.path}/${path}`).catch(() => 'no')).toBe('no');
      }
      await volume.unpublish();
      const call = {
        volume_id: 'bricks/meta-static',
        staging_target_path: join(directory, 'staging'),
        target_path: join(directory, 'target'),
        volume_capability: SHARED,
      };
      for (const path of ['.meta', '.meta/graphs', '.', 'volumes/../.meta']) {
        await expectStatus(
          driver.client.node.NodePublishVolume({ ...call, volume_context: { pool: 'bricks', path } }),
          'INVALID_ARGUMENT',
          /volume attribute path/,
        );
      }
    });

    it('files that hold them are for root alone', async () => {
      const { stateDir, kubeletDir } = driverPaths(directory);
      const found = await runCommand('grep', ['-r', '-l', '-D', 'skip', 'option password', stateDir, kubeletDir]);
      const files = found.stdout.trim().split('\n');
      expect(files.length).toBeGreaterThan(1);
      for (const file of files) expect([file, (await stat(file)).mode & 0o077]).toEqual([file, 0]);
    });
  });

  const volfileOf = async (pool: string): Promise<string> => {
    const { stateDir } = driverPaths(directory);
    const { stdout } = await runCommand('grep', ['-r', '-l', '--include=client*.vol', 'option password', stateDir]);
    const file = stdout.split('\n').find((path) => path.includes(`/${pool}/`)) ?? '';
    return readFile(file, 'utf8');
  };
});
