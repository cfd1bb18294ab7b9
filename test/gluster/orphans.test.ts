import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { VolumeRow } from '../../src/cli/volume-rows.js';
import { bucketOf } from '../../src/volumes/records/handle.js';
import type { Driver } from '../lib/driver.js';
import { kayal } from '../lib/kayal.js';
import { startKubeApi, type KubeApi } from '../lib/kube-api.js';
import { loopDirectory, type LoopDirectory } from '../lib/loop-directory.js';
import { startOpen } from '../lib/open-driver.js';
import { directoryPool } from '../lib/pool-configs.js';
import { createRequest, retried } from '../lib/requests.js';

const DAY_MS = 24 * 60 * 60 * 1000;
const pv = (handle: string, claim: string): object => ({
  spec: { csi: { driver: 'csi.kayal.storage', volumeHandle: handle }, claimRef: { namespace: 'team', name: claim } },
});

describe('kayal volumes with a cluster', () => {
  let directory: string;
  let pool: LoopDirectory;
  let driver: Driver;
  let api: KubeApi;
  let kubeconfig: string;
  const asked = (): string[] => api.requests.map(({ url }) => url.pathname);

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'orphans-'));
    pool = await loopDirectory(directory, 'pool', 64);
    api = await startKubeApi();
    kubeconfig = join(api.directory, 'config');
    await writeFile(kubeconfig, api.kubeconfig({ token: 'admin' }));
    driver = await startOpen({ directory, pools: [directoryPool('dir', pool.path)] });
    for (const name of ['bound', 'idle', 'lost']) {
      await retried(() => driver.client.controller.CreateVolume(createRequest(name)));
    }
  });

  beforeEach(() => {
    api.requests.length = 0;
    api.answer = ({ url }) => ({
      body: {
        items: url.pathname.endsWith('/pods')
          ? [
              {
                metadata: { namespace: 'team', name: 'web' },
                spec: { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'bound' } }] },
              },
            ]
          : [pv('dir/bound', 'bound'), pv('dir/idle', 'idle')],
      },
    });
  });

  afterAll(async () => {
    await driver?.stop();
    await api?.stop();
    await pool?.remove();
  });

  const handles = async (args: readonly string[], stdin = ''): Promise<string[]> => {
    const { code, stdout, stderr } = await kayal(directory, ['volumes', '-o', 'json', ...args], stdin);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return (JSON.parse(stdout) as VolumeRow[]).map(({ handle }) => handle);
  };

  it('--orphans asks it which PersistentVolumes there are, unless handles come on standard input', async () => {
    expect(await handles(['--orphans', '--kubeconfig', kubeconfig], 'dir/lost\n')).toEqual(['dir/lost']);
    expect(asked()).toEqual(['/api/v1/persistentvolumes']);
    expect(api.requests[0]?.token).toBe('admin');
    expect(await handles(['--orphans'], 'dir/lost\n')).toEqual(['dir/bound', 'dir/idle']);
    expect(asked()).toHaveLength(1);
  });

  it('--orphans names the rule that is missing, and shows no volume as an orphan', async () => {
    api.answer = () => ({ status: 403, body: { kind: 'Status', message: 'persistentvolumes is forbidden' } });
    const { code, stdout, stderr } = await kayal(directory, ['volumes', '--orphans', '--kubeconfig', kubeconfig]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/persistentvolumes is forbidden.*verbs: \[list\]/);
  });

  it('--unused shows only volumes whose PersistentVolume is there and which no pod uses', async () => {
    for (const id of ['bound', 'idle', 'lost']) {
      const record = join(pool.path, '.kayal/volumes', bucketOf(id), `${id}.json`);
      const json = JSON.parse(await readFile(record, 'utf8')) as object;
      const createdAt = new Date(Date.now() - 40 * DAY_MS).toISOString();
      await writeFile(record, JSON.stringify({ ...json, createdAt }));
    }
    expect(await handles(['--unused'])).toEqual(['dir/bound', 'dir/idle', 'dir/lost']);
    expect(await handles(['--unused', '--kubeconfig', kubeconfig])).toEqual(['dir/idle']);
    expect(asked().sort()).toEqual(['/api/v1/persistentvolumes', '/api/v1/pods']);
  });
});
