import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cgroupDirectory, parseCgroups } from '../../src/linux/cgroups.js';
import { readMountinfo } from '../../src/linux/mountinfo.js';
import { waitFor } from './wait.js';

/** Hierarchies in which a group without settings takes processes (cpuset's does not), on version 1, 2 and both at once. */
const HIERARCHIES = ['pids', 'freezer', ''];

/** Enters the cgroups, then becomes the program: directories until `--`, then the program. */
const ENTER = `
set -e
while [ "$1" != -- ]; do
  echo $$ > "$1/cgroup.procs"
  shift
done
shift
exec "$@"
`;

/**
 * The mount namespace and the cgroups of a container that has hostPID, whose mounts propagate both ways. What is started in
 * it keeps its pid, and ends with it.
 */
export class Confinement {
  readonly #cgroups: readonly string[];

  private constructor(cgroups: readonly string[]) {
    this.#cgroups = cgroups;
  }

  static async create(name: string): Promise<Confinement> {
    const entries = await readMountinfo();
    const own = parseCgroups(await readFile('/proc/self/cgroup', 'utf8'));
    const cgroups = own
      .filter(({ controllers }) => HIERARCHIES.includes(controllers))
      .flatMap((membership) => cgroupDirectory(entries, membership) ?? [])
      .map((directory) => join(directory, `kayal-${process.pid}-${name}`));
    if (cgroups.length === 0) throw new Error('no cgroup hierarchy is mounted');
    for (const directory of cgroups) await mkdir(directory);
    return new Confinement(cgroups);
  }

  /** Takes a process in, with all its threads. */
  async take(pid: number): Promise<void> {
    for (const directory of this.#cgroups) await writeFile(join(directory, 'cgroup.procs'), String(pid));
  }

  /** What comes before a command that is to run in it. */
  get prefix(): readonly string[] {
    return ['unshare', '--mount', '--propagation', 'unchanged', 'sh', '-c', ENTER, 'sh', ...this.#cgroups, '--'];
  }

  /** Processes that are in any of its cgroups. */
  async pids(): Promise<number[]> {
    const texts = await Promise.all(
      this.#cgroups.map((directory) => readFile(join(directory, 'cgroup.procs'), 'utf8')),
    );
    return [...new Set(texts.flatMap((text) => text.split('\n').filter(Boolean).map(Number)))];
  }

  /** As a container's runtime ends it: kill -9 of all that is in its cgroups, until nothing is. */
  async kill(): Promise<void> {
    await waitFor(
      'the end of a container',
      async () => {
        const pids = await this.pids();
        for (const pid of pids) {
          try {
            process.kill(pid, 'SIGKILL');
          } catch {
            // It ended by itself.
          }
        }
        return pids.length === 0 ? true : undefined;
      },
      { intervalMs: 10 },
    );
  }

  async remove(): Promise<void> {
    await this.kill();
    for (const directory of this.#cgroups) await rmdir(directory);
  }
}
