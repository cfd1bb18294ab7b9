import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeLeftovers, findLeftovers, removeLeftovers } from '../../lib/leftovers.js';
import { runCommand } from '../../lib/run-command.js';
import { Kubectl } from '../lib/kubectl.js';
import type { Tools } from '../tools/tools.js';
import { findCgroups, removeCgroups } from './cgroups.js';
import { startControlPlane } from './control-plane.js';
import { GlusterServer } from './gluster-server.js';
import { Machine, type MachineState } from './machine.js';
import { createBridge, findNetwork, removeNetwork } from './network.js';
import { createSharedDirectory, mountShared } from './shared-directory.js';
import { connectPods, Worker, type WorkerState, type WorkerWish } from './worker.js';

export const DEFAULT_KUBELET_DIR = '/var/lib/kubelet';
/** As K0s has it. */
export const OTHER_KUBELET_DIR = '/var/lib/k0s/kubelet';
const WORKERS: readonly WorkerWish[] = [
  { number: 1, kubeletDir: DEFAULT_KUBELET_DIR },
  { number: 2, kubeletDir: DEFAULT_KUBELET_DIR },
  { number: 3, kubeletDir: OTHER_KUBELET_DIR },
];

interface ClusterState {
  readonly control: MachineState;
  readonly gluster: MachineState;
  readonly workers: readonly WorkerState[];
  readonly admin: string;
  readonly user: string;
}

/** Three nodes, their control plane, and storage outside of the cluster; all on this machine. */
export class Cluster {
  readonly directory: string;
  readonly tools: Tools;
  readonly control: Machine;
  readonly gluster: GlusterServer;
  readonly workers: readonly Worker[];
  readonly #admin: string;
  readonly #user: string;

  private constructor(options: {
    directory: string;
    tools: Tools;
    control: Machine;
    gluster: GlusterServer;
    workers: readonly Worker[];
    admin: string;
    user: string;
  }) {
    this.directory = options.directory;
    this.tools = options.tools;
    this.control = options.control;
    this.gluster = options.gluster;
    this.workers = options.workers;
    this.#admin = options.admin;
    this.#user = options.user;
  }

  /** @param archives of the images that every node gets */
  static async start(directory: string, tools: Tools, archives: readonly string[]): Promise<Cluster> {
    await createBridge();
    const shared = await createSharedDirectory(directory);
    const [gluster, control] = await Promise.all([GlusterServer.start(directory), startControlPlane(directory, tools)]);
    const workers = await Promise.all(
      WORKERS.map(async (wish) => {
        const worker = await Worker.start({ directory, shared: shared.path, wish, pki: control.pki, tools });
        await mountShared(worker.machine, shared.path);
        for (const archive of archives) await worker.importImages(archive);
        return worker;
      }),
    );
    const places = [control.machine.place, gluster.machine.place, ...workers.map(({ machine }) => machine.place)];
    await connectPods(
      places,
      WORKERS.map(({ number }) => number),
    );
    const { admin, user, machine } = control;
    const cluster = new Cluster({ directory, tools, control: machine, gluster, workers, admin, user });
    for (const { name } of workers) await cluster.kubectl.wait(`node/${name}`, 'condition=Ready');
    await cluster.#save();
    return cluster;
  }

  /** The cluster that an earlier run has left. */
  static async attach(directory: string, tools: Tools): Promise<Cluster> {
    const state: ClusterState = JSON.parse(await readFile(join(directory, 'state.json'), 'utf8'));
    return new Cluster({
      directory,
      tools,
      control: Machine.attach(state.control),
      gluster: GlusterServer.attach(state.gluster),
      workers: state.workers.map((one) => Worker.attach(one)),
      admin: state.admin,
      user: state.user,
    });
  }

  async #save(): Promise<void> {
    const state: ClusterState = {
      control: this.control.state,
      gluster: this.gluster.machine.state,
      workers: this.workers.map((worker) => worker.state),
      admin: this.#admin,
      user: this.#user,
    };
    await writeFile(join(this.directory, 'state.json'), JSON.stringify(state, undefined, 2));
  }

  /** As an administrator. */
  get kubectl(): Kubectl {
    return new Kubectl(this.tools.program('kubectl'), this.#admin);
  }

  /** As somebody with no other rights than RBAC gives him. */
  get user(): Kubectl {
    return new Kubectl(this.tools.program('kubectl'), this.#user);
  }

  get kubeconfig(): string {
    return this.#admin;
  }

  /** @throws Error when there is no node of that name */
  worker(name: string): Worker {
    const found = this.workers.find((one) => one.name === name);
    if (found === undefined) throw new Error(`there is no node ${name}`);
    return found;
  }

  get machines(): readonly Machine[] {
    return [...this.workers.map(({ machine }) => machine), this.gluster.machine, this.control];
  }

  /** Ends everything. What it wrote stays. */
  async stop(): Promise<void> {
    await this.#save();
    await Promise.all(this.machines.map((machine) => machine.stop()));
    await removeCluster(this.directory);
  }
}

/**
 * Takes away what clusters have on this machine, also when their start was cut short.
 * @param directories of all that there are: one that runs on keeps network and cgroups busy
 */
export async function removeCluster(...directories: readonly string[]): Promise<void> {
  for (const directory of directories) await removeLeftovers(directory);
  await removeNetwork();
  await removeCgroups();
}

/** What a cluster that has ended left on this machine, but its directory; a line per thing. */
export async function findRemains(directory: string): Promise<readonly string[]> {
  const cgroups = (await findCgroups()).map((path) => `cgroup ${path}`);
  return [...describeLeftovers(await findLeftovers(directory)), ...(await findNetwork()), ...cgroups];
}

/** The state of every machine's network and processes, for the logs of a failed run. */
export async function describeMachine(machine: Machine): Promise<string> {
  const { stdout } = await machine.run(['ps', '-ef', '--forest']).catch(() => ({ stdout: '' }));
  const { stdout: links } = await runCommand('ip', ['-n', `kayal-e2e-${machine.name}`, 'addr']);
  return `${stdout}\n${links}`;
}
