import { mustRun, runCommand } from './run-command.js';

/** Of every such network: nothing leads out of it. */
const addressOf = (number: number): string => `10.215.0.${number}`;
const HUB_NUMBER = 254;

/** Machines as far as the network goes: one for whoever uses bricks, and one for each brick, all on one switch. */
export class BrickNetwork {
  readonly #hub = `kayal-h${process.pid}`;
  readonly #count: number;

  private constructor(count: number) {
    this.#count = count;
  }

  static async start(count: number): Promise<BrickNetwork> {
    const network = new BrickNetwork(count);
    try {
      await network.#make();
      return network;
    } catch (error) {
      await network.stop();
      throw error;
    }
  }

  /** Runs a program on the machine without a brick. */
  get prefix(): readonly string[] {
    return ['nsenter', `--net=/run/netns/${this.#hub}`];
  }

  /** Runs a program on the machine of a brick. */
  prefixOf(brick: number): readonly string[] {
    return ['nsenter', `--net=/run/netns/${this.#nameOf(brick)}`];
  }

  address(brick: number): string {
    return addressOf(brick + 1);
  }

  /** The machine of a brick goes silent, as seen from all others. */
  async cut(brick: number): Promise<void> {
    await mustRun('ip', ['-n', this.#hub, 'link', 'set', `b${brick}`, 'down']);
  }

  async connect(brick: number): Promise<void> {
    await mustRun('ip', ['-n', this.#hub, 'link', 'set', `b${brick}`, 'up']);
  }

  async stop(): Promise<void> {
    const bricks = Array.from({ length: this.#count }, (_, brick) => this.#nameOf(brick));
    for (const name of [...bricks, this.#hub]) await runCommand('ip', ['netns', 'del', name]);
  }

  #nameOf(brick: number): string {
    return `kayal-b${process.pid}-${brick}`;
  }

  async #make(): Promise<void> {
    const hub = this.#hub;
    await mustRun('ip', ['netns', 'add', hub]);
    await mustRun('ip', ['-n', hub, 'link', 'set', 'lo', 'up']);
    await mustRun('ip', ['-n', hub, 'link', 'add', 'switch', 'type', 'bridge']);
    await mustRun('ip', ['-n', hub, 'addr', 'add', `${addressOf(HUB_NUMBER)}/24`, 'dev', 'switch']);
    await mustRun('ip', ['-n', hub, 'link', 'set', 'switch', 'up']);
    for (let brick = 0; brick < this.#count; brick++) {
      const name = this.#nameOf(brick);
      await mustRun('ip', ['netns', 'add', name]);
      await mustRun('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
      const peer = ['peer', 'name', 'eth0', 'netns', name];
      await mustRun('ip', ['link', 'add', `b${brick}`, 'netns', hub, 'type', 'veth', ...peer]);
      await mustRun('ip', ['-n', hub, 'link', 'set', `b${brick}`, 'master', 'switch', 'up']);
      await mustRun('ip', ['-n', name, 'addr', 'add', `${this.address(brick)}/24`, 'dev', 'eth0']);
      await mustRun('ip', ['-n', name, 'link', 'set', 'eth0', 'up']);
    }
  }
}
