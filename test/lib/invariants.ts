import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { IoWorkers } from '../../src/linux/io-workers.js';
import { quiet } from '../../src/linux/testing.js';
import { driverPaths } from './driver.js';
import { findLeftovers } from './leftovers.js';
import { servedMetrics } from './metrics.js';
import type { OpenDriverOptions } from './open-driver.js';
import { doctorsFindings } from './doctors-findings.js';
import { poolProblems } from './pool-problems.js';
import { sleep } from './wait.js';

/** What goes on in the background (a purge, a repair) is over by then, also on a busy machine. */
const PATIENCE_MS = 60_000;
const LOOK_EVERY_MS = 150;

/** Those of `now` that are not in `before`, each as often as it is there more often. */
function beyond(now: readonly string[], before: readonly string[]): string[] {
  const left = [...before];
  return now.filter((one) => {
    const index = left.indexOf(one);
    if (index !== -1) left.splice(index, 1);
    return index === -1;
  });
}

/**
 * What holds of a driver and its pools whenever nothing is under way, whatever was killed before: every record has its data
 * and its limit, every data a record, the ledger is what the records come to, and there is no mount, loop device, process,
 * lease, temporary file or trash that nobody needs any more.
 */
export class Invariants {
  readonly #options: OpenDriverOptions;
  readonly #io = new IoWorkers({ log: quiet });
  /** What runs, is mounted and attached when nothing is under way. */
  #usual: readonly string[] | undefined;

  constructor(options: OpenDriverOptions) {
    this.#options = options;
  }

  /**
   * Waits for what is under way.
   * @param look `first`: what runs, is mounted and attached now is what there may be from now on
   * @throws Error that lists what is wrong and stays so
   */
  async expect(look: 'first' | 'again'): Promise<void> {
    if (look === 'first') this.#usual = undefined;
    const until = performance.now() + PATIENCE_MS;
    for (;;) {
      const problems = await this.#problems();
      if (problems.length === 0) return;
      if (performance.now() > until) throw new Error(`these do not hold:\n  ${problems.join('\n  ')}`);
      await sleep(LOOK_EVERY_MS);
    }
  }

  async close(): Promise<void> {
    await this.#io.close();
  }

  async #problems(): Promise<string[]> {
    const problems = [...(await this.#leftOnNode()), ...(await this.#temporaries())];
    if (this.#options.role === 'node') return problems;
    for (const pool of this.#options.pools) {
      const root = this.#rootOf(pool);
      const promised = await this.#ledgerOf(pool.name);
      problems.push(...(await poolProblems(root, promised)));
      // The costlier look, once this one finds nothing.
      if (problems.length > 0) return problems;
      problems.push(
        ...(await doctorsFindings({ io: this.#io, directory: this.#options.directory, pool: pool.name, root })),
      );
    }
    return problems;
  }

  #rootOf({ name, type, path }: { readonly name: string; readonly type?: unknown; readonly path?: unknown }): string {
    if (type === 'directory' && typeof path === 'string') return path;
    return join(driverPaths(this.#options.directory).stateDir, 'control', name, 'mnt');
  }

  /** Mounts, loop devices and processes more than the first time, and mounts on top of others. */
  async #leftOnNode(): Promise<string[]> {
    const { processes, mounts, loopDevices } = await findLeftovers(this.#options.directory);
    const now = [
      ...processes.map(({ command }) => `process ${command.replaceAll(/\d{2,}/g, 'N')}`),
      // Pods come and go, each with a UID of its own.
      ...mounts.map((target) => `mount ${target.replaceAll(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'UID')}`),
      ...loopDevices.map(({ file }) => `loop device on ${file}`),
    ];
    this.#usual ??= now;
    const stacked = mounts.filter((target, index) => mounts.indexOf(target) !== index);
    return [
      ...beyond(now, this.#usual).map((one) => `it was not there before: ${one}`),
      ...stacked.map((target) => `something is mounted twice: ${target}`),
    ];
  }

  /** Of files that were to be written whole, and are not wanted half. */
  async #temporaries(): Promise<string[]> {
    const { stateDir, kubeletDir } = driverPaths(this.#options.directory);
    const own = join(kubeletDir, 'plugins/csi.kayal.storage');
    const lists = await Promise.all([stateDir, own].map((directory) => filesIn(directory)));
    return lists.flat().flatMap((name) => (name.endsWith('.tmp') ? [`half a file: ${name}`] : []));
  }

  /** What the driver itself takes for promised, in bytes. */
  async #ledgerOf(pool: string): Promise<bigint | undefined> {
    const metrics = await servedMetrics(driverPaths(this.#options.directory).log);
    const value = new RegExp(`^kayal_pool_bytes\\{pool="${pool}",kind="promised"\\} (\\S+)$`, 'm').exec(metrics)?.[1];
    return value === undefined ? undefined : BigInt(value);
  }
}

/** Without what lies below mount points of pools. */
async function filesIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  const lists = await Promise.all(
    entries.map(async (entry) => {
      const path = join(directory, entry.name);
      if (!entry.isDirectory()) return [path];
      return entry.name === 'mnt' ? [] : filesIn(path);
    }),
  );
  return lists.flat();
}
