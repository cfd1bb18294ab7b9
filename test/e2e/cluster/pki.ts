import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun } from '../../lib/run-command.js';

const DAYS = '30';
const KEY = ['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out'];

export interface Identity {
  /** Names its files. */
  readonly name: string;
  /** Kubernetes takes the common name for the user. */
  readonly user: string;
  readonly groups?: readonly string[];
  /** Subject alternative names, as openssl(1) writes them. */
  readonly addresses?: readonly string[];
}

/** The certificate authority of one cluster, and the key that signs its service account tokens. */
export class Pki {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** @param directory an empty one */
  static async create(directory: string): Promise<Pki> {
    const pki = new Pki(directory);
    await mustRun('openssl', [...KEY, pki.key('ca')]);
    const subject = ['-subj', '/CN=kayal-e2e', '-days', DAYS];
    await mustRun('openssl', [
      'req',
      '-x509',
      '-new',
      '-key',
      pki.key('ca'),
      '-out',
      pki.certificate('ca'),
      ...subject,
    ]);
    await mustRun('openssl', [...KEY, pki.key('accounts')]);
    await mustRun('openssl', ['pkey', '-in', pki.key('accounts'), '-pubout', '-out', pki.publicKey('accounts')]);
    return pki;
  }

  key(name: string): string {
    return join(this.directory, `${name}.key`);
  }

  publicKey(name: string): string {
    return join(this.directory, `${name}.pub`);
  }

  certificate(name: string): string {
    return join(this.directory, `${name}.crt`);
  }

  async issue({ name, user, groups = [], addresses = [] }: Identity): Promise<void> {
    const request = join(this.directory, `${name}.csr`);
    const subject = [...groups.map((group) => `/O=${group}`), `/CN=${user}`].join('');
    await mustRun('openssl', [...KEY, this.key(name)]);
    await mustRun('openssl', ['req', '-new', '-key', this.key(name), '-out', request, '-subj', subject]);
    const extensions = join(this.directory, `${name}.ext`);
    await writeFile(extensions, addresses.length === 0 ? '' : `subjectAltName=${addresses.join(',')}\n`);
    // Not -CAcreateserial: the nodes' certificates are issued at the same time, and it counts in a file.
    const serial = `0x${randomBytes(16).toString('hex')}`;
    const authority = ['-CA', this.certificate('ca'), '-CAkey', this.key('ca'), '-set_serial', serial];
    const output = ['-out', this.certificate(name), '-days', DAYS, '-extfile', extensions];
    await mustRun('openssl', ['x509', '-req', '-in', request, ...authority, ...output]);
  }

  /** A kubeconfig of an issued identity. @returns its path */
  async kubeconfig(name: string, server: string): Promise<string> {
    const file = join(this.directory, `${name}.kubeconfig`);
    const user = { 'client-certificate': this.certificate(name), 'client-key': this.key(name) };
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'e2e', cluster: { server, 'certificate-authority': this.certificate('ca') } }],
      users: [{ name, user }],
      contexts: [{ name: 'e2e', context: { cluster: 'e2e', user: name } }],
      'current-context': 'e2e',
    };
    // JSON is YAML.
    await writeFile(file, `${JSON.stringify(config, undefined, 2)}\n`, { mode: 0o600 });
    return file;
  }
}
