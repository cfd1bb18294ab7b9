import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:tls';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { getSpec } from '../../src/gluster/get-spec.js';
import { parseVolfile } from '../../src/gluster/volfile/parse.js';
import { connect as connectBrick } from '../../src/linux/gfapi.js';
import type { TlsFiles } from '../../src/pools/types.js';
import { Authority } from '../lib/certificates.js';
import { Driver, driverPaths, managedPool } from '../lib/driver.js';
import { intrudeWith } from '../lib/intruder.js';
import { findProcesses } from '../lib/leftovers.js';
import { availableBytes } from '../lib/open-driver.js';
import { singleBrickPool } from '../lib/pool-configs.js';
import { fill, publishNew, type PublishedVolume } from '../lib/published-volume.js';
import { MiB, createRequest, expectStatus, retried } from '../lib/requests.js';
import { runCommand } from '../lib/run-command.js';
import { waitFor } from '../lib/wait.js';
import { noteFault } from './fault-table.js';

/** A pool that Kayal runs, whose processes talk TLS and show each other certificates. */
describe('TLS on a managed pool', () => {
  let directory: string;
  let authority: Authority;
  let tls: TlsFiles;
  let late: TlsFiles;
  let driver: Driver;
  let volume: PublishedVolume;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'tls-'));
    authority = await Authority.create(join(directory, 'ca'));
    tls = await authority.issue({ name: 'pool' });
    late = await authority.issue({ name: 'late', days: -1 });
    driver = await Driver.start({
      directory,
      pools: [
        await managedPool(directory, 'secure', { quota: 'gluster', tls }),
        await singleBrickPool(join(directory, 'late'), 'late', { quota: 'none', tls: late }),
        await singleBrickPool(join(directory, 'plain'), 'plain', { quota: 'none' }),
      ],
    });
    await availableBytes(driver, 'secure');
    volume = await publishNew(current(), 'volume', { sizeMiB: 32, parameters: { pool: 'secure' } });
    await writeFile(join(volume.path, 'file'), 'secret');
  });

  afterAll(async () => {
    await volume?.unpublish();
    await driver?.stop();
  });

  /** Whichever driver runs, also for what an earlier one published. */
  const current = (): Pick<Driver, 'client' | 'directory'> => ({
    directory,
    get client() {
      return driver.client;
    },
  });
  const volfile = (file: string, pool = 'secure'): Promise<string> =>
    readFile(join(driverPaths(directory).stateDir, 'managed', pool, file), 'utf8');
  const portOf = async (brick: number, pool = 'secure'): Promise<number> =>
    Number(parseVolfile(await volfile(`brick-${brick}.vol`, pool)).at(-1)?.options['transport.socket.listen-port']);
  const brickPids = async (pool: string): Promise<number[]> => {
    const isBrick = (command: string): boolean =>
      command.startsWith('glusterfsd ') && command.includes(`${directory}/`) && command.includes(`=${pool}/brick-`);
    return (await findProcesses(isBrick)).map(({ pid }) => pid);
  };

  /** What a TLS client of OpenSSL's sees. */
  const greet = (port: number, ...args: string[]): ReturnType<typeof runCommand> =>
    runCommand('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, '-CAfile', tls.ca, ...args], { input: '\n' });
  const serialOf = async (port: number): Promise<string> => {
    const { stdout } = await greet(port, '-cert', tls.certificate, '-key', tls.key, '-showcerts');
    return (await runCommand('openssl', ['x509', '-noout', '-serial'], { input: stdout })).stdout.trim();
  };

  it('a certificate that does not do is the trouble of its pool alone, until it does', async () => {
    const make = (pool: string): Promise<unknown> =>
      driver.client.controller.CreateVolume(createRequest('other', { parameters: { pool } }));
    await retried(() => make('plain'));
    await expectStatus(make('late'), 'UNAVAILABLE', /pool late: tls: certificate \S+late\.crt expired on .*: renew it/);
    await authority.issue({ name: 'late' });
    await retried(() => make('late'));
  });

  it('limits hold, a brick that is killed comes back, and the copies heal', async () => {
    const [killed = 0] = await brickPids('secure');
    process.kill(killed, 'SIGKILL');
    const filled = await fill(volume.path, 'fill', 100);
    expect(filled.error).toMatch(/Disk quota exceeded/);
    expect(filled.usedBytes).toBeLessThanOrEqual((32 + 8) * MiB);
    const copies = [1, 2, 3].map((brick) => join(directory, 'bricks', `secure-${brick}`, volume.poolPath, 'fill'));
    await waitFor('three copies that are the same', async () => {
      const sums = await Promise.all(copies.map((copy) => runCommand('sha256sum', ['-b', copy])));
      const found = new Set(sums.map(({ stdout }) => stdout.split(' ')[0]));
      return found.size === 1 && !found.has('') ? true : undefined;
    });
    await rm(join(volume.path, 'fill'));
    // The quota counts what goes a moment later.
    const file = join(volume.path, 'room');
    await waitFor('room in the volume', () =>
      writeFile(file, 'room').then(
        () => true as const,
        () => undefined,
      ),
    );
  });

  it('what listens talks TLS 1.2 or newer, with the certificate of the pool, and nothing else', async () => {
    for (const brick of [0, 1, 2]) {
      const port = await portOf(brick);
      const own = ['-cert', tls.certificate, '-key', tls.key];
      for (const version of ['-tls1_2', '-tls1_3']) {
        const { stdout } = await greet(port, version, ...own);
        expect(stdout).toMatch(/subject=CN = kayal\n[^]*Verify return code: 0/);
      }
      const old = await greet(port, '-tls1_1', '-cipher', 'ALL:@SECLEVEL=0', ...own);
      expect([old.code, old.stdout]).toEqual([1, expect.stringContaining('no peer certificate available')]);
      await expect(getSpec({ host: '127.0.0.1', port, key: 'secure' })).rejects.toMatchObject({
        code: 'UNAVAILABLE',
        message: expect.stringContaining('cannot be asked') as string,
      });
    }
  });

  it('libgfapi, which shares blocks on the bricks, talks TLS in the driver’s own process', async () => {
    const file = join(driverPaths(directory).stateDir, 'managed', 'secure', 'brick-client-0.vol');
    expect(await readFile(file, 'utf8')).toContain('ssl-enabled on');
    const { failure } = connectBrick(file, join(directory, 'gfapi.log'));
    expect(failure).toBeUndefined();
  });

  it('a client gets neither volfile nor mount without a certificate of the authority, the right name in it, and the credentials', async () => {
    const own = await volfile('client.vol');
    const password = /remote-subvolume \S+:([0-9a-f]+)$/m.exec(own)?.[1] ?? '';
    expect(password).toHaveLength(48);
    const foreign = await (await Authority.create(join(directory, 'foreign'))).issue({ name: 'foreign' });
    const stranger = await authority.issue({ name: 'stranger', subject: '/CN=stranger' });
    const showing = ({ certificate, key }: TlsFiles): string =>
      own.replaceAll(tls.certificate, certificate).replaceAll(tls.key, key);
    const attempts: readonly (readonly [string, RegExp, string])[] = [
      ['no-certificate', /endpoint is not connected/, own.replaceAll(/^ *option transport\.socket\.ssl.*$/gm, '')],
      ['other-authority', /alert|reset by peer|not connected/, showing(foreign)],
      ['other-name', /Authentication failed/, showing(stranger)],
      ['wrong-credentials', /Brick not found/, own.replaceAll(password, 'guessed')],
      ['no-credentials', /Brick not found/, own.replaceAll(`:${password}`, '')],
    ];
    for (const [name, reason, text] of attempts) {
      expect(text).not.toBe(own);
      const { found, log } = await intrudeWith(directory, name, text);
      expect([name, found, log]).toEqual([name, [], expect.stringMatching(reason)]);
    }
    // Whoever has it all gets in: what keeps the others out is what they have not.
    expect((await intrudeWith(directory, 'owner', own)).found).toContain('volumes');

    const port = await portOf(0);
    for (const files of [foreign, stranger, tls]) {
      const asked = getSpec({ host: '127.0.0.1', port, key: 'secure', tls: { ...files, ca: tls.ca } });
      await expect(asked).rejects.toMatchObject({ code: expect.stringMatching(/UNAVAILABLE|NOT_FOUND/) as string });
    }
    const silent = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
    const heard: Buffer[] = [];
    silent.on('data', (data: Buffer) => heard.push(data));
    await new Promise<void>((resolve) => silent.on('error', () => undefined).once('close', () => resolve()));
    expect(heard).toEqual([]);
    await noteFault({
      fault: 'a client of a TLS pool that lacks certificate, name or credentials',
      times: attempts.length,
      seen: 'neither volfile nor mount',
      held: 'the client that has them all is let in',
    });
  });

  it('a renewed certificate is shown to whoever connects from then on, without a restart', async () => {
    const before = { pids: await brickPids('secure'), serial: await serialOf(await portOf(1)) };
    expect(before.serial).toMatch(/^serial=/);
    await authority.issue({ name: 'pool' });
    const serial = await serialOf(await portOf(1));
    expect(serial).toMatch(/^serial=/);
    expect(serial).not.toBe(before.serial);
    expect(await brickPids('secure')).toEqual(before.pids);
    expect(await readFile(join(volume.path, 'file'), 'utf8')).toBe('secret');
    const [killed = 0] = before.pids;
    process.kill(killed, 'SIGKILL');
    await waitFor('the brick', async () => ((await brickPids('secure')).length === 3 ? true : undefined));
    await writeFile(join(volume.path, 'file'), 'renewed');
  });

  it('switched on for a pool in use: its processes are started anew, and pods go on with a new client', async () => {
    const used = await publishNew(current(), 'used', { parameters: { pool: 'plain' } });
    await writeFile(join(used.path, 'file'), 'kept');
    await driver.kill();
    driver = await Driver.start({
      directory,
      pools: [
        await managedPool(directory, 'secure', { quota: 'gluster', tls }),
        await singleBrickPool(join(directory, 'late'), 'late', { quota: 'none', tls: late }),
        await singleBrickPool(join(directory, 'plain'), 'plain', { quota: 'none', tls }),
      ],
    });
    await availableBytes(driver, 'plain');
    const text = await waitFor('the volume', () => readFile(join(used.path, 'file'), 'utf8').catch(() => undefined));
    expect(text).toBe('kept');
    const { stdout } = await greet(await portOf(0, 'plain'), '-cert', tls.certificate, '-key', tls.key);
    expect(stdout).toMatch(/Verify return code: 0/);
    expect(await readFile(join(volume.path, 'file'), 'utf8')).toBe('renewed');
    await used.unpublish();
  });
});
