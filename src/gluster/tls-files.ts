import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { messageOf, unavailable } from '../base/errors.js';
import type { GlusterPoolConfig, TlsFiles } from '../pools/types.js';

export interface CertificateFacts {
  /** By which GlusterFS knows who connects; '' when it has none. */
  readonly commonName: string;
  /** ms since 1970. */
  readonly expires: number;
}

/** The content of the files, as node:tls takes it. */
export interface TlsMaterial {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca: Buffer;
}

/** What a list of names in a volfile (auth.login.*.ssl-allow) takes for one name, and for that one only. */
const COMMON_NAME = /^[A-Za-z0-9._@-]{1,64}$/;
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g;

class Wrong extends Error {}

async function read(what: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new Wrong(`${what} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

/** Who can read the key can pass for the pool. */
async function refuseSharedKey(path: string): Promise<void> {
  const { mode, uid } = await stat(path);
  const self = process.getuid?.() ?? 0;
  if ((mode & 0o077) === 0 && (uid === 0 || uid === self)) return;
  const is = `mode ${(mode & 0o777).toString(8).padStart(4, '0')}, owner ${uid}`;
  throw new Wrong(`key ${path} may be read by others (${is}): make it root's, and of mode 0600`);
}

async function certificatesIn(what: string, path: string): Promise<[X509Certificate, ...X509Certificate[]]> {
  const [first, ...others] = (await read(what, path)).toString('utf8').match(PEM_CERTIFICATE) ?? [];
  if (first === undefined) throw new Wrong(`${what} ${path} holds no certificate in PEM`);
  try {
    return [new X509Certificate(first), ...others.map((block) => new X509Certificate(block))];
  } catch (error) {
    throw new Wrong(`${what} ${path} is not a certificate: ${messageOf(error)}`, { cause: error });
  }
}

async function privateKeyIn(path: string): Promise<KeyObject> {
  const text = await read('key', path);
  await refuseSharedKey(path);
  try {
    return createPrivateKey(text);
  } catch (error) {
    throw new Wrong(`key ${path} is not a private key in PEM without a passphrase: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

/** With at most one certificate between the two: GlusterFS' default of ssl-cert-depth is 1. */
function isTrusted(leaf: X509Certificate, between: X509Certificate[], authorities: X509Certificate[]): boolean {
  const roots = authorities.filter((one) => isIssuedBy(one, one));
  const direct = (one: X509Certificate): boolean => roots.some((root) => isIssuedBy(one, root));
  return direct(leaf) || [...between, ...authorities].some((one) => one.ca && isIssuedBy(leaf, one) && direct(one));
}

function checkTimes(what: string, path: string, { validFrom, validTo }: X509Certificate): void {
  const now = Date.now();
  if (now < Date.parse(validFrom)) throw new Wrong(`${what} ${path} is not valid before ${validFrom}`);
  if (now > Date.parse(validTo)) throw new Wrong(`${what} ${path} expired on ${validTo}: renew it`);
}

async function check({ certificate, key, ca }: TlsFiles): Promise<CertificateFacts> {
  const [leaf, ...between] = await certificatesIn('certificate', certificate);
  const secret = await privateKeyIn(key);
  const authorities = await certificatesIn('ca', ca);
  checkTimes('certificate', certificate, leaf);
  if (!leaf.checkPrivateKey(secret)) throw new Wrong(`key ${key} is not the key of the certificate ${certificate}`);
  if (!isTrusted(leaf, between, authorities)) {
    throw new Wrong(
      `ca ${ca} holds no authority that issued ${certificate}, with at most one certificate between them`,
    );
  }
  return { commonName: /^CN=(.*)$/m.exec(leaf.subject)?.[1] ?? '', expires: Date.parse(leaf.validTo) };
}

/**
 * Looks at the files of a pool's `tls`, as GlusterFS itself says little of what is wrong with them.
 * @throws KayalError UNAVAILABLE that names the pool, the key, the file and what is wrong
 */
export async function checkTlsFiles(pool: string, files: TlsFiles): Promise<CertificateFacts> {
  try {
    return await check(files);
  } catch (error) {
    if (!(error instanceof Wrong)) throw error;
    throw unavailable(`pool ${pool}: tls: ${error.message}`, { cause: error });
  }
}

/**
 * checkTlsFiles for a pool whose bricks let in the certificate's name and no other.
 * @throws KayalError UNAVAILABLE also when it has no name that can stand in a volfile's list of names
 */
export async function checkBrickTlsFiles(pool: string, files: TlsFiles): Promise<CertificateFacts> {
  const facts = await checkTlsFiles(pool, files);
  if (COMMON_NAME.test(facts.commonName)) return facts;
  throw unavailable(
    `pool ${pool}: tls: certificate ${files.certificate} has the common name (CN) ${JSON.stringify(facts.commonName)}: ` +
      'bricks know it by that, and it must be 1 to 64 of letters, digits and . _ @ -',
  );
}

/** What glusterd is asked with; undefined where it does not speak TLS. */
export function managementTls({ tls }: Pick<GlusterPoolConfig, 'tls'>): TlsFiles | undefined {
  return tls?.management === true ? tls : undefined;
}

/** @throws the error of the file system */
export async function readTlsFiles({ certificate, key, ca }: TlsFiles): Promise<TlsMaterial> {
  return { cert: await readFile(certificate), key: await readFile(key), ca: await readFile(ca) };
}
