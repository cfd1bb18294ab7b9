import type { Glusterd } from './glusterd.js';
import { mustRun, runCommand } from './run-command.js';

/** A network namespace whose one link leads to a glusterd's: another machine, which can be cut off. */
export class ClientNetwork {
  /** Runs a program there; its mounts and processes are the test's own. */
  readonly prefix: readonly string[];
  readonly #namespace: string;
  readonly #gateway: string;
  readonly #host: string;

  private constructor(options: { namespace: string; gateway: string; host: string }) {
    this.#namespace = options.namespace;
    this.#gateway = options.gateway;
    this.#host = options.host;
    this.prefix = ['nsenter', `--net=/run/netns/${options.namespace}`];
  }

  static async start(glusterd: Glusterd): Promise<ClientNetwork> {
    const namespace = `kayal-c${process.pid}`;
    const third = process.pid % 250;
    const [own, gateway] = [`10.214.${third}.1`, `10.214.${third}.2`];
    await mustRun('ip', ['netns', 'add', namespace]);
    const network = new ClientNetwork({ namespace, gateway, host: glusterd.host });
    try {
      const peer = ['peer', 'name', 'eth1', 'netns', glusterd.namespace];
      await mustRun('ip', ['link', 'add', 'eth0', 'netns', namespace, 'type', 'veth', ...peer]);
      await mustRun('ip', ['-n', glusterd.namespace, 'addr', 'add', `${gateway}/30`, 'dev', 'eth1']);
      await mustRun('ip', ['-n', glusterd.namespace, 'link', 'set', 'eth1', 'up']);
      await mustRun('ip', ['-n', namespace, 'addr', 'add', `${own}/30`, 'dev', 'eth0']);
      await mustRun('ip', ['-n', namespace, 'link', 'set', 'lo', 'up']);
      await network.connect();
      return network;
    } catch (error) {
      await network.stop();
      throw error;
    }
  }

  async connect(): Promise<void> {
    await mustRun('ip', ['-n', this.#namespace, 'link', 'set', 'eth0', 'up']);
    await mustRun('ip', ['-n', this.#namespace, 'route', 'replace', `${this.#host}/32`, 'via', this.#gateway]);
  }

  /** Nothing gets out or in any more, and nobody is told. */
  async cut(): Promise<void> {
    await mustRun('ip', ['-n', this.#namespace, 'link', 'set', 'eth0', 'down']);
  }

  async stop(): Promise<void> {
    await runCommand('ip', ['netns', 'del', this.#namespace]);
  }
}
