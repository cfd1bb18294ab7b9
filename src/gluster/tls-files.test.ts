import { chmod, copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TlsFiles } from '../pools/types.js';
import { Authority } from '../../test/lib/certificates.js';
import { mustRun } from '../../test/lib/run-command.js';
import { checkBrickTlsFiles, checkTlsFiles, managementTls } from './tls-files.js';

describe('checkTlsFiles', () => {
  let directory: string;
  let authority: Authority;
  let good: TlsFiles;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'kayal-tls-'));
    authority = await Authority.create(join(directory, 'ca'));
    good = await authority.issue({ name: 'good' });
  });

  afterAll(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  const expectRefused = async (change: Partial<TlsFiles>, message: string): Promise<void> => {
    await expect(checkTlsFiles('fast', { ...good, ...change })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining(message) as string,
    });
  };

  it('says what is in files that do', async () => {
    const { commonName, expires } = await checkTlsFiles('fast', good);
    expect(commonName).toBe('kayal');
    expect(expires).toBeGreaterThan(Date.now());
  });

  it.each(['certificate', 'key', 'ca'] as const)('names the %s that is not there', async (name) => {
    await expectRefused({ [name]: '/nowhere/file' }, `pool fast: tls: ${name} cannot be read: ENOENT`);
  });

  it('refuses a key that others may read, and one with a passphrase', async () => {
    const key = join(directory, 'open.key');
    await copyFile(good.key, key);
    await chmod(key, 0o640);
    await expectRefused({ key }, `key ${key} may be read by others (mode 0640, owner`);
    const locked = join(directory, 'locked.key');
    await mustRun('openssl', ['ec', '-in', good.key, '-aes256', '-passout', 'pass:word', '-out', locked]);
    await chmod(locked, 0o600);
    await expectRefused({ key: locked }, `key ${locked} is not a private key in PEM without a passphrase`);
  });

  it('refuses what is no certificate', async () => {
    await expectRefused({ certificate: good.key }, `certificate ${good.key} holds no certificate in PEM`);
    const broken = join(directory, 'broken.crt');
    await writeFile(broken, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
    await expectRefused({ ca: broken }, `ca ${broken} is not a certificate`);
  });

  it('refuses an expired certificate, and the key of another one', async () => {
    const expired = await authority.issue({ name: 'expired', days: -1 });
    await expectRefused(expired, `certificate ${expired.certificate} expired on `);
    await expectRefused(
      { key: expired.key },
      `key ${expired.key} is not the key of the certificate ${good.certificate}`,
    );
  });

  it('refuses a certificate of another authority, although that has the same name', async () => {
    const other = await Authority.create(join(directory, 'other'));
    await expectRefused({ ca: other.file }, `ca ${other.file} holds no authority that issued ${good.certificate}`);
  });

  it('takes a certificate between, where the authority itself is known', async () => {
    const between = await Authority.create(join(directory, 'between'), 'between');
    const files = await between.issue({ name: 'leaf' });
    const top = await authority.certify(between);
    const chain = join(directory, 'chain.crt');
    await writeFile(chain, (await readFile(files.certificate, 'utf8')) + (await readFile(top, 'utf8')));
    expect(await checkTlsFiles('fast', { ...files, certificate: chain, ca: authority.file })).toMatchObject({
      commonName: 'kayal',
    });
    await expectRefused({ ...files, ca: top }, 'holds no authority that issued');
  });

  it('bricks need a common name that a list of names can hold; clients of a volume do not', async () => {
    for (const [name, subject] of [
      ['none', '/O=nobody'],
      ['wild', '/CN=*'],
      ['two', '/CN=a b'],
    ] as const) {
      const files = await authority.issue({ name, subject });
      await expect(checkTlsFiles('fast', files)).resolves.toBeDefined();
      await expect(checkBrickTlsFiles('fast', files)).rejects.toMatchObject({
        code: 'UNAVAILABLE',
        message: expect.stringContaining('has the common name (CN) ') as string,
      });
    }
    expect((await checkBrickTlsFiles('fast', good)).commonName).toBe('kayal');
  });
});

describe('managementTls', () => {
  it('is for servers whose glusterd speaks TLS', () => {
    const files = { certificate: '/c', key: '/k', ca: '/a' };
    expect(managementTls({ tls: { ...files, management: false } })).toBeUndefined();
    expect(managementTls({})).toBeUndefined();
    expect(managementTls({ tls: { ...files, management: true } })).toMatchObject(files);
  });
});
