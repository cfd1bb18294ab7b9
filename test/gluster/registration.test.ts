import { lstat, mkdir, mkdtemp, readFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { registrationSocket } from '../../src/node/registration.js';
import { Driver, driverPaths, writeConfig } from '../lib/driver.js';
import { registerLikeKubelet, waitForSocket } from '../lib/kubelet.js';
import { runCommand } from '../lib/run-command.js';
import { waitFor } from '../lib/wait.js';

interface LogLine {
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** `kayal node` towards kubelet: registration, liveness and readiness. */
describe('kayal node', () => {
  let directory: string;
  let driver: Driver;
  let socket: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'r-'));
    const { kubeletDir } = driverPaths(directory);
    socket = registrationSocket(kubeletDir);
    await mkdir(join(kubeletDir, 'plugins_registry'), { recursive: true });
    driver = await Driver.start({
      directory,
      role: 'node',
      // Health must not depend on it: nothing answers there.
      pools: [{ name: 'gone', type: 'gluster', hosts: ['127.0.0.1'], volume: 'none' }],
      metricsAddress: '127.0.0.1:0',
    });
  });

  afterEach(async () => {
    await driver?.stop();
  });

  const logged = async (message: string): Promise<LogLine> =>
    waitFor(`"${message}" in the log`, async () =>
      (await readFile(driverPaths(directory).log, 'utf8'))
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as LogLine)
        .find(({ msg }) => msg === message),
    );

  const get = async (path: string): Promise<{ readonly status: number; readonly text: string }> => {
    const response = await fetch(`http://${String((await logged('serving'))['metrics'])}${path}`);
    return { status: response.status, text: (await response.text()).trim() };
  };

  it('is alive from the start, ready once kubelet took it, and unknown to kubelet after it ended', async () => {
    await waitForSocket(socket);
    expect((await lstat(socket)).mode & 0o777).toBe(0o600);
    expect(await get('/healthz')).toEqual({ status: 200, text: 'ok' });
    expect(await get('/readyz')).toEqual({ status: 503, text: `kubelet has not asked at ${socket} yet` });

    expect(await registerLikeKubelet(socket)).toEqual({
      type: 'CSIPlugin',
      name: 'csi.kayal.storage',
      endpoint: driverPaths(directory).socket,
      supported_versions: ['1.0.0'],
    });
    expect(await get('/readyz')).toEqual({ status: 200, text: 'ok' });
    expect((await get('/metrics')).text).toMatch(/kayal_rpc_calls_total\{method="GetInfo",code="OK"\} 1/);
    expect((await get('/elsewhere')).status).toBe(404);

    await driver.stop();
    await expect(lstat(socket)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it("logs kubelet's reason when it refused, and offers itself anew", async () => {
    const first = await waitForSocket(socket);
    await registerLikeKubelet(socket, 'GetInfo of the driver timed out');
    expect(await logged('kubelet refused the driver')).toMatchObject({ reason: 'GetInfo of the driver timed out' });
    expect(await get('/readyz')).toEqual({
      status: 503,
      text: 'kubelet refused the driver: GetInfo of the driver timed out',
    });
    expect((await get('/healthz')).status).toBe(200);

    await waitForSocket(socket, first);
    await registerLikeKubelet(socket);
    expect((await get('/readyz')).status).toBe(200);
  });
});

describe('registration that is not wanted', () => {
  it('kayal all leaves it alone, and is ready at once', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'r-'));
    await mkdir(join(driverPaths(directory).kubeletDir, 'plugins_registry'), { recursive: true });
    const driver = await Driver.start({ directory, pools: [] });
    try {
      await expect(lstat(registrationSocket(driverPaths(directory).kubeletDir))).rejects.toMatchObject({
        code: 'ENOENT',
      });
    } finally {
      await driver.stop();
    }
  });

  it('kayal node --register no leaves it to node-driver-registrar', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'r-'));
    await mkdir(join(driverPaths(directory).kubeletDir, 'plugins_registry'), { recursive: true });
    const driver = await Driver.start({ directory, role: 'node', pools: [], env: { KAYAL_REGISTER: 'no' } });
    try {
      await expect(lstat(registrationSocket(driverPaths(directory).kubeletDir))).rejects.toMatchObject({
        code: 'ENOENT',
      });
    } finally {
      await driver.stop();
    }
  });
});

describe('kayal node that cannot start', () => {
  it('ends with the reason, and has made the directory of its socket below that of kubelet', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'r-'));
    const { config, kubeletDir, stateDir } = driverPaths(directory);
    await mkdir(join(kubeletDir, 'plugins'), { recursive: true });
    await writeConfig(directory, []);
    const taken = createServer();
    await new Promise<void>((resolve) => {
      taken.listen(0, '127.0.0.1', resolve);
    });
    const { port } = taken.address() as AddressInfo;
    const flags = { config, 'kubelet-dir': kubeletDir, 'state-dir': stateDir, 'metrics-address': `127.0.0.1:${port}` };
    const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
    try {
      const { code, stderr } = await runCommand(process.execPath, ['dist/kayal.js', 'node', ...args]);
      expect([code, stderr]).toEqual([1, expect.stringMatching(/metrics address .*EADDRINUSE/)]);
    } finally {
      taken.close();
    }
    expect((await lstat(join(kubeletDir, 'plugins/csi.kayal.storage'))).isDirectory()).toBe(true);
  });
});
