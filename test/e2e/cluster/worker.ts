import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { waitFor } from '../../lib/wait.js';
import type { Tools } from '../tools/tools.js';
import { cgroupOf, createCgroup } from './cgroups.js';
import { API_SERVER, CONTROL_ADDRESS, SERVICE_ADDRESS } from './control-plane.js';
import { Machine, stopService, type MachineState, type Service } from './machine.js';
import { addRoute, placeOf, type Place } from './network.js';
import type { Pki } from './pki.js';

const CONTAINERD = '/run/containerd/containerd.sock';
export const PAUSE_IMAGE = 'registry.k8s.io/pause:3.10';

export interface WorkerWish {
  /** 1 to 9. */
  readonly number: number;
  /** kubelet's --root-dir. */
  readonly kubeletDir: string;
}

interface WorkerState {
  readonly machine: MachineState;
  readonly kubeletDir: string;
  readonly services: Record<'containerd' | 'kubelet', Service>;
}
export type { WorkerState };

function podSubnet(number: number): string {
  return `10.244.${number}.0/24`;
}

export function workerPlace(number: number): Place {
  return placeOf(`node${number}`, 10 + number);
}

const CONTAINERD_CONFIG = `
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE_IMAGE}"
  # Where root lacks CAP_SYS_RESOURCE runc cannot start a sandbox otherwise.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/var/lib/cni-config"
`;

function cniConfig(number: number): object {
  const ipam = { type: 'host-local', ranges: [[{ subnet: podSubnet(number) }]], routes: [{ dst: '0.0.0.0/0' }] };
  const bridge = { type: 'bridge', bridge: 'cni0', isGateway: true, ipam };
  return { cniVersion: '0.4.0', name: 'pods', plugins: [bridge, { type: 'loopback' }] };
}

function kubeletConfig(name: string, pki: Pki): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: {
      anonymous: { enabled: false },
      x509: { clientCAFile: pki.certificate('ca') },
      webhook: { enabled: true },
    },
    cgroupDriver: 'cgroupfs',
    cgroupRoot: cgroupOf(name),
    failCgroupV1: false,
    failSwapOn: false,
    // Nobody answers there: nothing in this cluster asks for names.
    clusterDNS: ['10.96.0.10'],
    resolvConf: '',
    containerRuntimeEndpoint: `unix://${CONTAINERD}`,
    // All nodes share one disk, which is not theirs to tidy.
    evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
    imageGCHighThresholdPercent: 100,
    volumePluginDir: '/var/lib/volume-plugins',
    syncFrequency: '5s',
    volumeStatsAggPeriod: '5s',
    nodeStatusUpdateFrequency: '5s',
    maxPods: 110,
  };
}

/** A node of the cluster: a machine with containerd and kubelet. */
export class Worker {
  readonly machine: Machine;
  readonly kubeletDir: string;
  #services: WorkerState['services'];

  private constructor(machine: Machine, kubeletDir: string, services: WorkerState['services']) {
    this.machine = machine;
    this.kubeletDir = kubeletDir;
    this.#services = services;
  }

  get name(): string {
    return this.machine.name;
  }

  get state(): WorkerState {
    return { machine: this.machine.state, kubeletDir: this.kubeletDir, services: this.#services };
  }

  static attach({ machine, kubeletDir, services }: WorkerState): Worker {
    return new Worker(Machine.attach(machine), kubeletDir, services);
  }

  /**
   * @param options.directory of the whole cluster
   * @param options.shared a directory that all nodes see
   */
  static async start(options: {
    directory: string;
    shared: string;
    wish: WorkerWish;
    pki: Pki;
    tools: Tools;
  }): Promise<Worker> {
    const { wish, pki, tools } = options;
    const place = workerPlace(wish.number);
    const directory = join(options.directory, place.name);
    await mkdir(join(directory, 'lib', 'cni-config'), { recursive: true });
    const cni = JSON.stringify(cniConfig(wish.number));
    await writeFile(join(directory, 'lib', 'cni-config', '10.conflist'), cni);
    await writeFile(join(directory, 'containerd.toml'), CONTAINERD_CONFIG);
    await writeFile(join(directory, 'kubelet.yaml'), JSON.stringify(kubeletConfig(place.name, pki)));
    await pki.issue({ name: place.name, user: `system:node:${place.name}`, groups: ['system:nodes'] });
    const kubeconfig = await pki.kubeconfig(place.name, API_SERVER);
    await createCgroup(place.name);
    const machine = await Machine.start(place, directory, [options.shared]);
    await addRoute(place, 'default', CONTROL_ADDRESS);
    await addRoute(place, `${SERVICE_ADDRESS}/32`, CONTROL_ADDRESS);
    const containerd = await machine.startService('containerd', [
      'containerd',
      '--config',
      join(directory, 'containerd.toml'),
    ]);
    await waitFor(`containerd of ${place.name}`, async () => {
      const { code } = await machine.run(['ctr', '--address', CONTAINERD, 'version']);
      return code === 0 ? true : undefined;
    });
    const kubelet = await machine.startService('kubelet', [
      tools.program('kubelet'),
      `--kubeconfig=${kubeconfig}`,
      `--config=${join(directory, 'kubelet.yaml')}`,
      `--root-dir=${wish.kubeletDir}`,
      `--hostname-override=${place.name}`,
      `--node-ip=${place.address}`,
      '--v=2',
    ]);
    return new Worker(machine, wish.kubeletDir, { containerd, kubelet });
  }

  /** Ends kubelet and starts it again, with the same arguments. Its pods run on. */
  async restartKubelet(whileAway: () => Promise<void>): Promise<void> {
    const { kubelet } = this.#services;
    const [pid] = await this.pidsOf('/kubelet --kubeconfig=');
    if (pid === undefined) throw new Error(`no kubelet runs on ${this.name}`);
    const command = (await this.machine.mustRun(['cat', `/proc/${pid}/cmdline`])).split('\0').filter(Boolean);
    await stopService(kubelet);
    await whileAway();
    this.#services = { ...this.#services, kubelet: await this.machine.startService('kubelet', command) };
  }

  /** @param pattern of the command line, a regular expression. @returns process ids as the machine itself sees them */
  async pidsOf(pattern: string): Promise<readonly string[]> {
    const { stdout } = await this.machine.run(['pgrep', '--full', '--', pattern]);
    return stdout.trim().split('\n').filter(Boolean);
  }

  /** @param archive of images, as `docker save` or `buildah push oci-archive:` write them */
  async importImages(archive: string): Promise<void> {
    const ctr = ['ctr', '--address', CONTAINERD, '--namespace', 'k8s.io', 'images', 'import', archive];
    await this.machine.mustRun(ctr, 300_000);
  }

  /** Mount points of volumes of Kayal that this node has. */
  async volumeMounts(): Promise<readonly string[]> {
    const text = await this.machine.mustRun(['cat', '/proc/self/mountinfo']);
    return text
      .split('\n')
      .map((line) => line.split(' ')[4] ?? '')
      .filter((target) => target.startsWith(this.kubeletDir) && /kubernetes\.io~csi|\/plugins\//.test(target));
  }
}

/** Pods reach those of other nodes over plain routes. */
export async function connectPods(places: readonly Place[], numbers: readonly number[]): Promise<void> {
  for (const number of numbers) {
    const via = workerPlace(number);
    for (const place of places.filter(({ name }) => name !== via.name)) {
      await addRoute(place, podSubnet(number), via.address);
    }
  }
}
