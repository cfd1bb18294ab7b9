import { readlink, stat } from 'node:fs/promises';
import { failedPrecondition, isErrno, KayalError, messageOf, unavailable } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { joinCgroupsOf } from '../linux/cgroups.js';
import { flockHolders } from '../linux/file-locks.js';
import { isProcessAlive, startTimeOf } from '../linux/process-info.js';
import type { ClientHost } from './client-host.js';
import { seesSameDirectory } from './processes.js';
import { spawnInside } from './spawn-inside.js';
import type { ProcessId, RunningProcess } from './running-process.js';

export interface MounterOptions {
  /** The mounter holds a lock on it as long as it lives. */
  readonly directory: string;
  readonly log: Logger;
}

/**
 * What the mounter must share with us. A client needs the pids of the processes that use it, to ask the kernel for their
 * groups (docs/decisions/0006-mounter.md).
 */
const SHARED_NAMESPACES = [
  ['pid', 'hostPID'],
  ['user', 'hostUsers'],
] as const;

/**
 * The container that holds this machine's GlusterFS clients: they are started in its mount and network namespace and in its
 * cgroups, so that they live as long as it does, whatever becomes of the container that we are in. It has nothing to do but
 * to hold a lock, by which it is found: the kernel's table names the process, and forgets it when it ends.
 */
export class Mounter implements ClientHost {
  readonly #options: MounterOptions;
  #known: ProcessId | undefined;

  constructor(options: MounterOptions) {
    this.#options = options;
  }

  /**
   * The process that is the mounter now.
   * @throws KayalError UNAVAILABLE when there is none, FAILED_PRECONDITION when it cannot be used
   */
  async find(): Promise<ProcessId> {
    const known = this.#known;
    if (known !== undefined && (await isProcessAlive(known.pid, known.startTime))) return known;
    this.#known = undefined;
    const { directory } = this.#options;
    for (const pid of await this.#holders()) {
      const startTime = await startTimeOf(pid);
      if (startTime === undefined) continue;
      if (!(await this.#isUsable(pid))) continue;
      this.#known = { pid, startTime };
      return this.#known;
    }
    throw unavailable(
      `there is no mounter: nobody holds the lock on ${directory}. GlusterFS clients run in the mounter's container; see that it runs on this node, with hostPID and with that directory`,
    );
  }

  async launch(argv: readonly string[], paths: readonly string[]): Promise<RunningProcess> {
    const mounter = await this.find();
    for (const path of paths) {
      if (await seesSameDirectory(mounter.pid, path)) continue;
      if (!(await isProcessAlive(mounter.pid, mounter.startTime))) break;
      throw failedPrecondition(
        `the mounter (process ${mounter.pid}) does not see ${path}: both need the same hostPath there`,
      );
    }
    try {
      return await this.#launchIn(mounter, argv);
    } catch (error) {
      if (error instanceof KayalError && error.code === 'FAILED_PRECONDITION') throw error;
      throw unavailable(`no client can be started in the mounter (process ${mounter.pid}): ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  /** Also one that an earlier driver started and could not move, as it was killed then. */
  async adopt(client: ProcessId): Promise<void> {
    try {
      await joinCgroupsOf(client.pid, (await this.find()).pid);
    } catch (error) {
      // It serves its pods as it is.
      this.#options.log.warn(
        { pid: client.pid, error: messageOf(error) },
        'a running client is not in the mounter: it ends with the container that it was started in',
      );
    }
  }

  async #launchIn(mounter: ProcessId, argv: readonly string[]): Promise<RunningProcess> {
    const client = await spawnInside(mounter, argv);
    try {
      // Before anything is published from it: whoever dies here leaves a client that nobody uses, or adopts.
      await joinCgroupsOf(client.pid, mounter.pid);
      return client;
    } catch (error) {
      // One that has ended says why in its log.
      if (await client.endsWithin(100)) return client;
      await client.end(500);
      throw error;
    }
  }

  async #holders(): Promise<number[]> {
    try {
      return await flockHolders(this.#options.directory);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return [];
      throw unavailable(`the mounter cannot be looked for: ${messageOf(error)}`, { cause: error });
    }
  }

  /** False when it has just ended. @throws KayalError FAILED_PRECONDITION */
  async #isUsable(pid: number): Promise<boolean> {
    try {
      await this.#check(pid);
      return true;
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ESRCH', 'EACCES')) return false;
      throw error;
    }
  }

  /** Anybody who can open a directory can lock it; only root of this machine is trusted to say what is started as root. */
  async #check(pid: number): Promise<void> {
    const { uid } = await stat(`/proc/${pid}`);
    if (uid !== 0) {
      throw failedPrecondition(
        `process ${pid} holds the mounter's lock on ${this.#options.directory}, but is not root's`,
      );
    }
    for (const [name, setting] of SHARED_NAMESPACES) {
      const [its, ours] = await Promise.all([readlink(`/proc/${pid}/ns/${name}`), readlink(`/proc/self/ns/${name}`)]);
      if (its === ours) continue;
      throw failedPrecondition(
        `the mounter (process ${pid}) is in another ${name} namespace: its pod and ours need ${setting}: true`,
      );
    }
  }
}
