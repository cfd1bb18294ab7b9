import { copyFile, cp, mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { getSpec } from '../../src/gluster/get-spec.js';
import type { TlsFiles } from '../../src/pools/types.js';
import { Authority } from '../lib/certificates.js';
import { Driver } from '../lib/driver.js';
import { Glusterd, glusterSsl } from '../lib/glusterd.js';
import { intrudeAt, intrudeWith } from '../lib/intruder.js';
import { availableBytes } from '../lib/open-driver.js';
import { fill, publishNew, type PublishedVolume } from '../lib/published-volume.js';
import { MiB } from '../lib/requests.js';
import { mustRun } from '../lib/run-command.js';

/** A directory as a host's where GlusterFS looks for its files. */
async function hostDirectory(path: string, { certificate, key, ca }: TlsFiles): Promise<string> {
  await cp(await glusterSsl(), path, { recursive: true, verbatimSymlinks: true });
  await copyFile(certificate, join(path, 'glusterfs.pem'));
  await copyFile(key, join(path, 'glusterfs.key'));
  await copyFile(ca, join(path, 'glusterfs.ca'));
  return path;
}

async function makeVolume(glusterd: Glusterd): Promise<void> {
  const set = (options: Readonly<Record<string, string>>): Promise<string> =>
    glusterd.gluster('volume', 'set', 'gv0', ...Object.entries(options).flat());
  await glusterd.gluster('volume', 'create', 'gv0', glusterd.brick('brick'), 'force');
  await set({ 'client.ssl': 'on', 'server.ssl': 'on', 'auth.ssl-allow': 'server,node' });
  await glusterd.gluster('volume', 'start', 'gv0');
  await glusterd.gluster('volume', 'quota', 'gv0', 'enable');
  await set({ 'features.quota-deem-statfs': 'on', 'features.soft-timeout': '0', 'features.hard-timeout': '0' });
}

/** An existing volume whose bricks talk TLS, with and without a glusterd that does. */
describe.each([
  { what: 'its bricks alone', management: false },
  { what: 'its bricks and glusterd', management: true },
])('TLS on a pool of type gluster: $what', ({ management }) => {
  let directory: string;
  let authority: Authority;
  let files: TlsFiles;
  let glusterd: Glusterd;
  let driver: Driver;
  let volume: PublishedVolume;
  let mounted = false;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'tlsv-'));
    authority = await Authority.create(join(directory, 'ca'));
    files = await authority.issue({ name: 'node', subject: '/CN=node' });
    const server = await authority.issue({ name: 'server', subject: '/CN=server' });
    await mkdir(join(directory, 'server'));
    const ssl = await hostDirectory(join(directory, 'server', 'ssl'), server);
    glusterd = await Glusterd.start(join(directory, 'server'), { ssl, management });
    await makeVolume(glusterd);
    if (management) {
      await mustRun('mount', ['--bind', await hostDirectory(join(directory, 'ssl'), files), await glusterSsl()]);
      mounted = true;
    }
    const tls = { ...files, management };
    driver = await Driver.start({
      directory,
      pools: [
        { name: 'ext', type: 'gluster', hosts: ['127.0.0.254', glusterd.host], volume: 'gv0', quota: 'gluster', tls },
      ],
    });
    await availableBytes(driver, 'ext');
    volume = await publishNew(driver, 'volume', { sizeMiB: 32 });
  });

  afterAll(async () => {
    await volume?.unpublish();
    await driver?.stop();
    await glusterd?.stop();
    if (mounted) await mustRun('umount', ['-l', await glusterSsl()]);
  });

  it('volumes are made, published and written, and their limits hold', async () => {
    await writeFile(join(volume.path, 'file'), 'secret');
    const filled = await fill(volume.path, 'fill', 100);
    expect(filled.error).toMatch(/Disk quota exceeded/);
    expect(filled.usedBytes).toBeLessThanOrEqual((32 + 8) * MiB);
  });

  it('a client without a certificate, or with one of another name or authority, gets no mount', async () => {
    const spec = await getSpec({ host: glusterd.host, key: 'gv0', tls: management ? files : undefined });
    expect(spec).toMatch(/option transport\.socket\.ssl-enabled on/);
    const showing = (shown: TlsFiles): string =>
      spec.replaceAll(
        /^( *option transport\.socket\.)ssl-enabled on$/gm,
        (line, start: string) =>
          `${line}\n${start}ssl-own-cert ${shown.certificate}\n${start}ssl-private-key ${shown.key}\n${start}ssl-ca-list ${files.ca}`,
      );
    // The client asks glusterd for the port of each brick.
    const args = management ? ['--secure-mgmt=on'] : [];
    const stranger = await authority.issue({ name: 'stranger', subject: '/CN=stranger' });
    const foreign = await (
      await Authority.create(join(directory, 'foreign'))
    ).issue({ name: 'f', subject: '/CN=node' });
    const plain = spec.replaceAll(/^ *option transport\.socket\.ssl.*$/gm, '');
    for (const [name, text] of Object.entries({ plain, stranger: showing(stranger), foreign: showing(foreign) })) {
      expect(text).not.toBe(spec);
      expect([name, (await intrudeWith(directory, name, text, args)).found]).toEqual([name, []]);
    }
    expect((await intrudeWith(directory, 'owner', showing(files), args)).found).toContain('volumes');
  });

  it(`whoever does not talk TLS with glusterd gets ${management ? 'no volfile' : 'the volfile, but no mount'}`, async () => {
    const asked = getSpec({ host: glusterd.host, key: 'gv0' });
    expect(await asked.then(String, (error: Error) => error.message)).toMatch(
      management ? /cannot be asked/ : /ssl-enabled on/,
    );
    const { found, log } = await intrudeAt(directory, 'asking', glusterd.host, 'gv0');
    expect(found).toEqual([]);
    expect(log).not.toContain('option password');
    expect(await readFile(join(volume.path, 'file'), 'utf8')).toBe('secret');
  });
});
