import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import packageJson from '../../../package.json' with { type: 'json' };
import { runCommand, type CommandResult } from '../../lib/run-command.js';
import { TestApiServer } from './api-server.js';

const PLUGIN = fileURLToPath(new URL('../../../dist/plugin/kubectl-kayal', import.meta.url));
const DEVICES = ['--device', 'n1:/dev/vdb', '--device', 'n2:/dev/vdb', '--device', 'n3:/dev/vdb'];

let server: TestApiServer;

/** As users call it: kubectl finds the one file in $PATH. */
function kayal(...args: readonly string[]): Promise<CommandResult> {
  const env = { ...process.env, PATH: `${server.directory}:${process.env['PATH'] ?? ''}`, KUBECONFIG: server.admin };
  return runCommand(server.kubectlProgram, ['kayal', ...args], { env });
}

beforeAll(async () => {
  server = await TestApiServer.start();
  await copyFile(PLUGIN, join(server.directory, 'kubectl-kayal'));
}, 300_000);

afterAll(() => server?.stop());

describe('kubectl kayal', { timeout: 120_000 }, () => {
  it('says its version, and what it can do', async () => {
    expect(await kayal('version')).toMatchObject({ code: 0, stdout: `kubectl-kayal ${packageJson.version}\n` });
    expect((await kayal('--help')).stdout).toMatch(/pool add NAME +make a pool, and wait until it is ready/);
    expect(await kayal('pool', 'grow')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/pool grow: is not a command; there is pool add/) as string,
    });
  });

  it('prints the object with --dry-run, which makes nothing, and which the server takes', async () => {
    const { code, stdout } = await kayal('pool', 'add', 'fast', '--type', 'replica3', ...DEVICES, '--dry-run');
    expect(code).toBe(0);
    expect((await server.tryApply(parse(stdout) as object, '--dry-run=server')).stderr).toBe('');
    expect(await server.find('storagepool', 'fast')).toBeUndefined();
    expect((await kayal('pool', 'list')).stdout).toMatch(/there are no pools/);
  });

  it('refuses two copies before it asks anybody', async () => {
    const { code, stderr } = await kayal('pool', 'add', 'two', '--type', 'replica2', ...DEVICES);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/take replica3, or arbiter/)]);
  });

  it('makes, lists, describes, changes and removes pools', async () => {
    const added = await kayal('pool', 'add', 'fast', '--type', 'replica3', ...DEVICES, '--no-wait');
    expect(added).toMatchObject({ code: 0, stderr: 'pool fast is being made\n' });
    expect(await server.find('storagepool', 'fast')).toMatchObject({
      spec: { managed: { replica: 3 }, quota: 'auto' },
    });
    expect((await kayal('pool', 'add', 'fast', '--type', 'replica3', ...DEVICES)).stderr).toMatch(
      /fast is there already/,
    );
    expect((await kayal('pool', 'list')).stdout).toMatch(/^NAME .*\nfast +managed/);
    expect((await kayal('pool', 'describe', 'slow')).stderr).toMatch(/there is no pool slow; there is fast/);
    const { stdout } = await kayal('pool', 'describe', 'fast', '-o', 'json');
    expect(JSON.parse(stdout)).toMatchObject({ kind: 'StoragePool', metadata: { name: 'fast' } });
    expect(parse((await kayal('pool', 'list', '-o', 'yaml')).stdout)).toHaveLength(1);

    expect(await kayal('pool', 'set', 'fast', 'overcommit=150', 'client-cache=no')).toMatchObject({
      code: 0,
      stderr: '',
    });
    expect(await server.find('storagepool', 'fast')).toMatchObject({
      spec: { overcommitPercent: 150, managed: { clientCache: false } },
    });
    expect((await kayal('pool', 'unset', 'fast', 'overcommit')).code).toBe(0);
    expect(await server.find('storagepool', 'fast')).toMatchObject({ spec: { overcommitPercent: 100 } });

    expect(await kayal('pool', 'remove', 'fast')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/is removed/) as string,
    });
    expect(await server.find('storagepool', 'fast')).toBeUndefined();
  });

  it('refuses to remove a pool that has volumes', async () => {
    await kayal('pool', 'add', 'old', '--type', 'external', '--host', 'g1', '--volume', 'vol', '--no-wait');
    await server.apply({
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: 'pv-old' },
      spec: {
        capacity: { storage: '1Gi' },
        accessModes: ['ReadWriteMany'],
        csi: { driver: 'csi.kayal.storage', volumeHandle: 'old/pvc-1' },
      },
    });
    const { code, stderr } = await kayal('pool', 'remove', 'old');
    expect([code, stderr]).toEqual([1, expect.stringMatching(/is not removed: it has 1 volumes: old\/pvc-1/)]);
    expect(await server.find('storagepool', 'old')).toBeDefined();
  });

  it('says what to do in a cluster without the operator', async () => {
    await server.must('delete', 'crd', 'storagepools.kayal.storage');
    const { code, stderr } = await kayal('pool', 'list');
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/knows no StoragePools: install Kayal with its operator/),
    ]);
  });

  it('completes what may follow', async () => {
    const { stdout } = await kayal('completion', 'bash');
    const script = `${stdout}\nCOMP_WORDS=(kubectl-kayal pool a); COMP_CWORD=2; _kubectl_kayal; echo "\${COMPREPLY[*]}"`;
    expect(await runCommand('bash', ['-c', script])).toMatchObject({ code: 0, stdout: 'add\n' });
  });
});
