import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TlsFiles } from '../../src/pools/types.js';
import { mustRun } from './run-command.js';

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

const EXTENSIONS = 'basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n';

export interface CertificateWish {
  /** Of its files. */
  readonly name: string;
  /** Default: the common name that all certificates have. */
  readonly subject?: string;
  /** Negative: it has expired. Default 2. */
  readonly days?: number;
}

/** An authority with certificates as docs/tls.md makes them. */
export class Authority {
  /** Its own certificate. */
  readonly file: string;
  readonly #directory: string;
  readonly #name: string;

  private constructor(directory: string, name: string) {
    this.#directory = directory;
    this.#name = name;
    this.file = join(directory, 'ca.crt');
  }

  /** @param directory it makes it */
  static async create(directory: string, name = 'kayal-ca'): Promise<Authority> {
    await mkdir(directory, { recursive: true });
    const authority = new Authority(directory, name);
    const out = ['-keyout', 'ca.key', '-out', 'ca.crt', '-subj', `/CN=${name}`, '-days', '30'];
    await authority.#openssl('req', '-x509', ...NEW_KEY, ...out);
    return authority;
  }

  /** Makes a key and a certificate, or both anew under the same names. */
  async issue({ name, subject = '/CN=kayal', days = 2 }: CertificateWish): Promise<TlsFiles> {
    const path = (suffix: string): string => join(this.#directory, `${name}.${suffix}`);
    const files = { certificate: path('crt'), key: path('key'), ca: this.file };
    await this.#openssl('req', ...NEW_KEY, '-keyout', files.key, '-out', path('csr'), '-subj', subject);
    await writeFile(path('ext'), EXTENSIONS);
    const from = [
      '-req',
      '-in',
      path('csr'),
      '-CA',
      'ca.crt',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-extfile',
      path('ext'),
    ];
    await this.#openssl('x509', ...from, '-days', `${days}`, '-out', files.certificate);
    return files;
  }

  /** Certifies another authority. @returns the path of that certificate */
  async certify(other: Authority): Promise<string> {
    const file = join(other.#directory, 'certified.crt');
    const by = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-key', join(other.#directory, 'ca.key')];
    await this.#openssl('req', '-x509', ...by, '-subj', `/CN=${other.#name}`, '-days', '30', '-out', file);
    return file;
  }

  #openssl(...args: readonly string[]): Promise<string> {
    return mustRun('openssl', args, { cwd: this.#directory });
  }
}
