import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { waitFor } from '../../lib/wait.js';
import { runCommand } from '../../lib/run-command.js';
import type { Tools } from '../tools/tools.js';
import { Machine, type Service } from './machine.js';
import { addAddress, placeOf } from './network.js';
import { Pki } from './pki.js';

const SERVICE_RANGE = '10.96.0.0/16';
/** The first of the range: the service `kubernetes`, which pods use. */
const SERVICE_ADDRESS = '10.96.0.1';
const PLACE = placeOf('control', 1);
/** The API server itself listens on the service's address and port, so that pods need no kube-proxy to reach it. */
const PORT = 443;
export const API_SERVER = `https://${PLACE.address}:${PORT}`;
export { SERVICE_ADDRESS };
export const CONTROL_ADDRESS: string = PLACE.address;

/** Whom the checks act as, besides the administrator: somebody whom RBAC allows to create volumes, and nothing else does. */
export const ORDINARY_USER = 'alice';

const COMMON_NAMES = ['localhost', 'kubernetes.default.svc'].map((name) => `DNS:${name}`);
const ADDRESSES = ['127.0.0.1', PLACE.address, SERVICE_ADDRESS].map((address) => `IP:${address}`);

export interface ControlPlane {
  readonly machine: Machine;
  readonly pki: Pki;
  readonly services: readonly Service[];
  /** Kubeconfig of a member of system:masters. */
  readonly admin: string;
  /** Kubeconfig of ORDINARY_USER. */
  readonly user: string;
}

function etcd(): readonly string[] {
  const [client, peer] = ['http://127.0.0.1:2379', 'http://127.0.0.1:2380'];
  return [
    '--data-dir=/var/lib/etcd',
    // The cluster does not outlive the machine.
    '--unsafe-no-fsync',
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
  ];
}

function apiServer(pki: Pki): readonly string[] {
  return [
    '--etcd-servers=http://127.0.0.1:2379',
    `--secure-port=${PORT}`,
    '--bind-address=0.0.0.0',
    `--advertise-address=${PLACE.address}`,
    `--tls-cert-file=${pki.certificate('apiserver')}`,
    `--tls-private-key-file=${pki.key('apiserver')}`,
    `--client-ca-file=${pki.certificate('ca')}`,
    `--service-account-key-file=${pki.publicKey('accounts')}`,
    `--service-account-signing-key-file=${pki.key('accounts')}`,
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-cluster-ip-range=${SERVICE_RANGE}`,
    '--authorization-mode=Node,RBAC',
    '--allow-privileged=true',
    '--endpoint-reconciler-type=none',
    `--kubelet-client-certificate=${pki.certificate('admin')}`,
    `--kubelet-client-key=${pki.key('admin')}`,
    '--kubelet-preferred-address-types=InternalIP',
  ];
}

function controllerManager(pki: Pki, kubeconfig: string): readonly string[] {
  return [
    `--kubeconfig=${kubeconfig}`,
    '--leader-elect=false',
    '--use-service-account-credentials',
    `--service-account-private-key-file=${pki.key('accounts')}`,
    `--root-ca-file=${pki.certificate('ca')}`,
    '--allocate-node-cidrs=false',
    // The checks wait for a lost node.
    '--node-monitor-grace-period=30s',
  ];
}

async function createPki(directory: string): Promise<Pki> {
  await mkdir(directory);
  const pki = await Pki.create(directory);
  await pki.issue({ name: 'apiserver', user: 'kube-apiserver', addresses: [...COMMON_NAMES, ...ADDRESSES] });
  await pki.issue({ name: 'admin', user: 'admin', groups: ['system:masters'] });
  await pki.issue({ name: ORDINARY_USER, user: ORDINARY_USER, groups: ['developers'] });
  return pki;
}

/** etcd, API server, controller manager and scheduler, on a machine of their own. */
export async function startControlPlane(directory: string, tools: Tools): Promise<ControlPlane> {
  const pki = await createPki(join(directory, 'pki'));
  const admin = await pki.kubeconfig('admin', API_SERVER);
  const user = await pki.kubeconfig(ORDINARY_USER, API_SERVER);
  await mkdir(join(directory, PLACE.name));
  const machine = await Machine.start(PLACE, join(directory, PLACE.name));
  await addAddress(PLACE, SERVICE_ADDRESS);
  const services = [
    await machine.startService('etcd', [tools.program('etcd'), ...etcd()]),
    await machine.startService('apiserver', [tools.program('kube-apiserver'), ...apiServer(pki)]),
  ];
  const ready = ['--kubeconfig', admin, 'get', '--raw', '/readyz'];
  await waitFor(
    'the API server',
    async () => ((await runCommand(tools.program('kubectl'), ready)).code === 0 ? true : undefined),
    { timeoutMs: 120_000, intervalMs: 500 },
  );
  const manager = [tools.program('kube-controller-manager'), ...controllerManager(pki, admin)];
  const scheduler = [tools.program('kube-scheduler'), `--kubeconfig=${admin}`, '--leader-elect=false'];
  services.push(await machine.startService('controller-manager', manager));
  services.push(await machine.startService('scheduler', scheduler));
  return { machine, pki, services, admin, user };
}
