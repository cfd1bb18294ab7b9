import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { render } from '../../chart/helm.js';
import { runCommand, type CommandResult } from '../../lib/run-command.js';
import { waitFor } from '../../lib/wait.js';
import { Pki } from '../cluster/pki.js';
import { startDaemon, stopDaemon, type Daemon } from '../lib/daemon.js';
import { ensureTools, type Tools } from '../tools/tools.js';

const SERVICE_RANGE = '10.96.0.0/16';
/** Where the chart is installed in the tests of it (test/chart). */
export const NAMESPACE = 'kayal-system';
/** As RBAC knows a ServiceAccount. */
const OPERATOR_USER = `system:serviceaccount:${NAMESPACE}:kayal-operator`;

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** An object as the server has it. */
export interface Found {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly [key: string]: unknown;
  };
  readonly [key: string]: unknown;
}

/**
 * etcd and a kube-apiserver, with neither nodes nor controllers: what is made stays as it is, unless somebody changes it. It
 * has what the chart installs for the operator, and lets the operator in as its ServiceAccount.
 */
export class TestApiServer {
  readonly directory: string;
  /** Kubeconfig of a member of system:masters. */
  readonly admin: string;
  /** Kubeconfig of the operator's ServiceAccount. */
  readonly operator: string;
  readonly #tools: Tools;
  readonly #daemons: readonly Daemon[];

  private constructor(parts: { directory: string; admin: string; operator: string; tools: Tools; daemons: Daemon[] }) {
    this.directory = parts.directory;
    this.admin = parts.admin;
    this.operator = parts.operator;
    this.#tools = parts.tools;
    this.#daemons = parts.daemons;
  }

  static async start(): Promise<TestApiServer> {
    const tools = await ensureTools();
    const directory = await mkdtemp(join(tmpdir(), 'api-'));
    const pkiDirectory = join(directory, 'pki');
    await mkdir(pkiDirectory);
    const pki = await Pki.create(pkiDirectory);
    await pki.issue({ name: 'apiserver', user: 'kube-apiserver', addresses: ['IP:127.0.0.1'] });
    await pki.issue({ name: 'admin', user: 'admin', groups: ['system:masters'] });
    await pki.issue({ name: 'operator', user: OPERATOR_USER, groups: ['system:serviceaccounts'] });
    const [etcdPort, peerPort, port] = [await freePort(), await freePort(), await freePort()];
    const url = `https://127.0.0.1:${port}`;
    const daemons: Daemon[] = [];
    const server = new TestApiServer({
      directory,
      admin: await pki.kubeconfig('admin', url),
      operator: await pki.kubeconfig('operator', url),
      tools,
      daemons,
    });
    try {
      const [client, peer] = [`http://127.0.0.1:${etcdPort}`, `http://127.0.0.1:${peerPort}`];
      daemons.push(
        await startDaemon({
          program: tools.program('etcd'),
          args: [
            `--data-dir=${join(directory, 'etcd')}`,
            '--unsafe-no-fsync',
            `--listen-client-urls=${client}`,
            `--advertise-client-urls=${client}`,
            `--listen-peer-urls=${peer}`,
            `--initial-advertise-peer-urls=${peer}`,
            `--initial-cluster=default=${peer}`,
          ],
          log: join(directory, 'etcd.log'),
        }),
      );
      daemons.push(
        await startDaemon({
          program: tools.program('kube-apiserver'),
          args: [
            `--etcd-servers=${client}`,
            `--secure-port=${port}`,
            '--bind-address=127.0.0.1',
            '--advertise-address=127.0.0.1',
            `--tls-cert-file=${pki.certificate('apiserver')}`,
            `--tls-private-key-file=${pki.key('apiserver')}`,
            `--client-ca-file=${pki.certificate('ca')}`,
            `--service-account-key-file=${pki.publicKey('accounts')}`,
            `--service-account-signing-key-file=${pki.key('accounts')}`,
            '--service-account-issuer=https://kubernetes.default.svc',
            `--service-cluster-ip-range=${SERVICE_RANGE}`,
            '--authorization-mode=RBAC',
            '--allow-privileged=true',
            '--endpoint-reconciler-type=none',
            // Nobody makes the accounts that pods ask for.
            '--disable-admission-plugins=ServiceAccount',
          ],
          log: join(directory, 'apiserver.log'),
        }),
      );
      await server.#prepare();
      return server;
    } catch (error) {
      const log = await readFile(join(directory, 'apiserver.log'), 'utf8').catch(() => '');
      await server.stop();
      throw new Error(`the API server did not start: ${log.slice(-2_000)}`, { cause: error });
    }
  }

  async #prepare(): Promise<void> {
    await waitFor(
      'the API server',
      async () => ((await this.kubectl('get', '--raw', '/readyz')).code === 0 ? true : undefined),
      { timeoutMs: 180_000, intervalMs: 500 },
    );
    await this.must('create', 'namespace', NAMESPACE);
    const wanted = /^(?:CustomResourceDefinition|ClusterRole|ClusterRoleBinding|Role|RoleBinding)$/;
    const objects = (await render({ values: ['operator-values.yaml'] })).filter(({ kind }) => wanted.test(kind));
    await this.apply({ apiVersion: 'v1', kind: 'List', items: objects });
    await this.must('wait', '--for=condition=Established', 'crd/storagepools.kayal.storage', '--timeout=60s');
  }

  /** Runs kubectl as the administrator. */
  kubectl(...args: readonly string[]): Promise<CommandResult> {
    return runCommand(this.#tools.program('kubectl'), ['--kubeconfig', this.admin, ...args]);
  }

  get kubectlProgram(): string {
    return this.#tools.program('kubectl');
  }

  async must(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.kubectl(...args);
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`);
    return stdout;
  }

  /** `kubectl apply` of an object. @returns what it says, also when it fails */
  async tryApply(object: object, ...args: readonly string[]): Promise<CommandResult> {
    return runCommand(
      this.#tools.program('kubectl'),
      ['--kubeconfig', this.admin, 'apply', '--server-side', '--force-conflicts', '-f', '-', ...args],
      { input: JSON.stringify(object) },
    );
  }

  async apply(object: object, ...args: readonly string[]): Promise<void> {
    const { code, stderr } = await this.tryApply(object, ...args);
    if (code !== 0) throw new Error(`kubectl apply: ${stderr}`);
  }

  /** An object; undefined: there is none. */
  async find(kind: string, name: string, namespace = NAMESPACE): Promise<Found | undefined> {
    const { code, stdout, stderr } = await this.kubectl('get', kind, name, '-n', namespace, '-o', 'json');
    if (code === 0) return JSON.parse(stdout) as Found;
    if (stderr.includes('NotFound')) return undefined;
    throw new Error(stderr);
  }

  async stop(): Promise<void> {
    for (const daemon of [...this.#daemons].reverse()) await stopDaemon(daemon);
    await rm(this.directory, { recursive: true, force: true });
  }
}
