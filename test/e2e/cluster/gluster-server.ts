import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { managementVolfile } from '../../lib/glusterd.js';
import { waitFor } from '../../lib/wait.js';
import { mountMemoryDisk } from '../../runner/memory-disk.js';
import { Machine, type MachineState } from './machine.js';
import { placeOf } from './network.js';

const PLACE = placeOf('gluster', 20);
/** Large, as volumes take their whole size of it; they hold next to nothing. */
const STORAGE = { sizeMiB: 16 * 1024, neededMiB: 6 * 1024 };
export const GLUSTER_VOLUME = 'kubernetes';

/** A host outside of the cluster that serves a GlusterFS volume, as an administrator would set it up for Kayal. */
export class GlusterServer {
  readonly machine: Machine;

  private constructor(machine: Machine) {
    this.machine = machine;
  }

  static readonly place = PLACE;

  static attach(state: MachineState): GlusterServer {
    return new GlusterServer(Machine.attach(state));
  }

  /** @param directory of the whole cluster */
  static async start(directory: string): Promise<GlusterServer> {
    const own = join(directory, PLACE.name);
    await mkdir(own);
    await mountMemoryDisk(own, STORAGE);
    for (const name of ['work', 'run', 'lib/glusterd']) await mkdir(join(own, name), { recursive: true });
    const machine = await Machine.start(PLACE, own);
    const server = new GlusterServer(machine);
    await writeFile(join(own, 'glusterd.vol'), managementVolfile(own));
    const pidFile = join(own, 'glusterd.pid');
    await machine.mustRun(['mkdir', '-p', '/run/gluster', '/var/log/glusterfs']);
    await machine.startService('glusterd', [
      'glusterd',
      '-N',
      '-f',
      join(own, 'glusterd.vol'),
      '-l',
      '-',
      '-p',
      pidFile,
    ]);
    await waitFor('glusterd', async () => ((await server.#run(['volume', 'list'])).code === 0 ? true : undefined));
    const brick = `${PLACE.address}:${join(own, 'brick')}`;
    await server.gluster('volume', 'create', GLUSTER_VOLUME, brick, 'force');
    await server.gluster('volume', 'start', GLUSTER_VOLUME);
    // docs/quota.md
    await server.gluster('volume', 'quota', GLUSTER_VOLUME, 'enable');
    for (const timeout of ['soft-timeout', 'hard-timeout'])
      await server.gluster('volume', 'quota', GLUSTER_VOLUME, timeout, '0');
    for (const option of [
      ['features.quota-deem-statfs', 'on'],
      ['performance.write-behind-window-size', '512KB'],
      // The checks wait for clients of a node that was cut off.
      ['network.ping-timeout', '10'],
    ] as const) {
      await server.gluster('volume', 'set', GLUSTER_VOLUME, ...option);
    }
    return server;
  }

  /** A directory of the volume as it lies on the brick; nobody may write there. */
  get brick(): string {
    return join(this.machine.directory, 'brick');
  }

  #run(args: readonly string[]): ReturnType<Machine['run']> {
    const socket = join(this.machine.directory, 'glusterd.socket');
    return this.machine.run(['gluster', `--glusterd-sock=${socket}`, '--mode=script', ...args]);
  }

  /** `gluster …`. @throws Error with what it printed when it fails */
  async gluster(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.#run(args);
    if (code !== 0) throw new Error(`gluster ${args.join(' ')}: ${stderr}${stdout}`);
    return stdout;
  }

  /** Mounts the volume on that host itself, as somebody outside of the cluster does, for the time of `use`. */
  async withMount<T>(use: (path: string) => Promise<T>): Promise<T> {
    const path = '/mnt/pool';
    await this.machine.mustRun(['mkdir', '-p', path]);
    const client = ['glusterfs', '--volfile-server=127.0.0.1', `--volfile-id=${GLUSTER_VOLUME}`, path];
    await this.machine.mustRun(client);
    try {
      return await use(path);
    } finally {
      await this.machine.run(['umount', '-l', path]);
    }
  }
}
