import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import { stringify } from 'yaml';
import { mustRun } from './run-command.js';

/** What a request was, as far as an API server looks at it. */
export interface ApiRequest {
  readonly url: URL;
  readonly token: string | undefined;
  /** Common name of the client's certificate, when the CA signed it. */
  readonly user: string | undefined;
  readonly method: string;
  /** JSON that came with it. */
  readonly body?: unknown;
}

export interface ApiAnswer {
  readonly status?: number;
  /** A text is sent as it is. */
  readonly body: unknown;
}

/** An HTTPS server with a certificate for 127.0.0.1 by a CA of its own, and a client certificate of user `kayal-test`. */
export interface KubeApi {
  readonly directory: string;
  readonly url: string;
  readonly ca: string;
  readonly requests: ApiRequest[];
  /** Replaced by each test. */
  answer: (request: ApiRequest) => ApiAnswer | Promise<ApiAnswer>;
  /** A kubeconfig whose one user is as given. */
  kubeconfig(user: object, cluster?: object): string;
  stop(): Promise<void>;
}

const openssl = (directory: string, args: readonly string[]): Promise<string> =>
  mustRun('openssl', args, { cwd: directory });

async function makeCertificates(directory: string): Promise<void> {
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const ca = ['-CA', 'ca.crt', '-CAkey', 'ca.key'];
  await openssl(directory, ['req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.crt', '-subj', '/CN=ca']);
  for (const [name, extra] of [
    ['server', ['-addext', 'subjectAltName=IP:127.0.0.1']],
    ['client', ['-addext', 'extendedKeyUsage=clientAuth']],
  ] as const) {
    const subject = ['-subj', name === 'client' ? '/CN=kayal-test' : '/CN=kube-apiserver'];
    await openssl(directory, ['req', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, ...subject, ...extra]);
    const sign = ['x509', '-req', '-in', `${name}.csr`, ...ca, '-CAcreateserial', '-copy_extensions', 'copy'];
    await openssl(directory, [...sign, '-days', '2', '-out', `${name}.crt`]);
  }
}

/** A connection that resumes an earlier one without a certificate has none, and is authorized. */
function userOf(socket: TLSSocket): string | undefined {
  const { subject } = socket.getPeerCertificate() as Partial<PeerCertificate>;
  return subject === undefined ? undefined : String(subject.CN);
}

/** Starts it; the requests of tests go over real TLS. */
export async function startKubeApi(): Promise<KubeApi> {
  const directory = await mkdtemp(join(tmpdir(), 'kube-'));
  await makeCertificates(directory);
  const read = (name: string): Promise<string> => readFile(join(directory, name), 'utf8');
  const [ca, cert, key] = await Promise.all([read('ca.crt'), read('server.crt'), read('server.key')]);
  const requests: ApiRequest[] = [];
  const server = createServer({ ca, cert, key, requestCert: true, rejectUnauthorized: false }, (request, response) => {
    const socket = request.socket as TLSSocket;
    const seen: { -readonly [K in keyof ApiRequest]: ApiRequest[K] } = {
      url: new URL(request.url ?? '/', api.url),
      token: /^Bearer (.*)$/.exec(request.headers.authorization ?? '')?.[1],
      user: socket.authorized ? userOf(socket) : undefined,
      method: request.method ?? '',
    };
    void (async () => {
      const sent = await text(request);
      if (sent !== '') seen.body = JSON.parse(sent);
      requests.push(seen);
      const { status = 200, body } = await api.answer(seen);
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const api: KubeApi = {
    directory,
    url: `https://127.0.0.1:${port}`,
    ca,
    requests,
    answer: () => ({ status: 404, body: { kind: 'Status', message: 'nothing here' } }),
    kubeconfig: (user, cluster = { 'certificate-authority': 'ca.crt' }) =>
      stringify({
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': 'here',
        contexts: [{ name: 'here', context: { cluster: 'c', user: 'u', namespace: 'x' } }],
        clusters: [{ name: 'c', cluster: { server: api.url, ...cluster } }],
        users: [{ name: 'u', user }],
      }),
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(directory, { recursive: true });
    },
  };
  return api;
}
