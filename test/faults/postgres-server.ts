import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { chown, mkdir, readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun, runCommand } from '../lib/run-command.js';
import { waitFor } from '../lib/wait.js';

const INSTALLED = '/usr/lib/postgresql';

/** Debian's programs of the newest PostgreSQL that is installed. @throws Error when none is */
async function findPrograms(): Promise<string> {
  const versions = (await readdir(INSTALLED).catch(() => [])).sort((a, b) => Number(b) - Number(a));
  const paths = versions.map((version) => join(INSTALLED, version, 'bin'));
  const found = paths.find((path) => existsSync(join(path, 'initdb')));
  if (found === undefined) throw new Error(`there is no PostgreSQL in ${INSTALLED}: install the package postgresql`);
  return found;
}

/**
 * Becomes a program of the user postgres in a pod: VOLUME RUN WORK, then the program. A filesystem of its own replaces
 * /mnt, as that user may not come through the directories above the volume; it is moved there last, as those may lie in /mnt.
 * When `unshare` is killed, the pod ends (setpriv after the change of the user, which would undo unshare's --kill-child).
 */
const POD = `
set -e
ulimit -c 0
mount -t tmpfs -o mode=0755 pod "$3"
mkdir "$3/volume" "$3/run"
mount --bind "$1" "$3/volume"
mount --bind "$2" "$3/run"
mount --move "$3" /mnt
mount -t tmpfs -o mode=1777 shm /dev/shm
shift 3
cd /mnt
exec setpriv --reuid=postgres --regid=postgres --clear-groups --pdeathsig=KILL "$@"
`;

/** As pods have them. */
const NAMESPACES = ['--mount', '--propagation', 'private', '--ipc', '--pid', '--fork'];
const DATA = '/mnt/volume/pgdata';

/** Little memory and short segments, so that the volume gets to see as much as possible of what a busy database does. */
const SETTINGS = {
  listen_addresses: '',
  unix_socket_directories: '/mnt/run',
  shared_buffers: '2MB',
  max_wal_size: '8MB',
  min_wal_size: '2MB',
  checkpoint_timeout: '30s',
  autovacuum_naptime: '2s',
  log_line_prefix: '%m [%p] ',
  log_timezone: 'UTC',
};

export interface PostgresOptions {
  /** For its log and its socket. */
  readonly directory: string;
  /** Where the volume is published. */
  readonly volume: string;
}

/** Debian's PostgreSQL on a volume, in namespaces as those of a pod. */
export class PostgresServer {
  readonly #bin: string;
  readonly #log: string;
  readonly #socketDirectory: string;
  readonly #pod: readonly string[];
  #child: ChildProcess | undefined;

  private constructor(bin: string, { directory, volume }: PostgresOptions) {
    this.#bin = bin;
    this.#log = join(directory, 'postgres.log');
    this.#socketDirectory = join(directory, 'run');
    this.#pod = [...NAMESPACES, 'sh', '-c', POD, 'sh', volume, this.#socketDirectory, join(directory, 'pod')];
  }

  /** Makes a database with checksums on the volume, whose directory has to be the user's; nothing runs yet. */
  static async create(options: PostgresOptions): Promise<PostgresServer> {
    const server = new PostgresServer(await findPrograms(), options);
    const { uid, gid } = await postgresUser();
    await mkdir(join(options.directory, 'pod'));
    await mkdir(server.#socketDirectory);
    await chown(server.#socketDirectory, uid, gid);
    const kind = ['--data-checksums', '--wal-segsize=1', '--auth=trust', '--no-locale', '--encoding=UTF8'];
    // A thousand calls of fsync(2) that only matter to a machine that loses its power now.
    await server.#runInPod('initdb', '--pgdata', DATA, ...kind, '--no-sync');
    return server;
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Starts it as kubelet starts a container, until it accepts connections. @throws Error with the end of its log */
  async start(): Promise<void> {
    const settings = Object.entries(SETTINGS).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const log = openSync(this.#log, 'a');
    this.#child = spawn('unshare', [...this.#pod, join(this.#bin, 'postgres'), '-D', DATA, ...settings], {
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    try {
      // After a crash it calls fsync(2) for each of its thousand files first.
      await waitFor('PostgreSQL to accept connections', () => this.#accepts(), { timeoutMs: 180_000, intervalMs: 200 });
    } catch (error) {
      await this.kill();
      const tail = (await this.log()).trimEnd().split('\n').slice(-10).join('\n');
      throw new Error(`PostgreSQL did not start: ${tail}`, { cause: error });
    }
  }

  /** As its pod's end does it: everybody is disconnected, all is written. @returns the exit code */
  async stop(): Promise<number | undefined> {
    // postgres(1): fast shutdown.
    await this.#end('SIGINT');
    return this.#child?.exitCode ?? undefined;
  }

  /** kill -9 of all that is in its pod. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** All that it said so far. */
  async log(): Promise<string> {
    return readFile(this.#log, 'utf8').catch(() => '');
  }

  /** One of PostgreSQL's programs, with arguments that connect it to the server. */
  client(program: string, ...args: readonly string[]): readonly [string, string[]] {
    return [join(this.#bin, program), [...this.#connection, ...args]];
  }

  /** @returns one line per row, columns apart by `|` */
  async query(statement: string): Promise<string[]> {
    const [psql, args] = this.client('psql', '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-c', statement);
    return (await mustRun(psql, [...args, 'postgres'])).split('\n').filter(Boolean);
  }

  /** Compares every table with its indexes, row by row. @throws Error with what is damaged */
  async checkIndexes(): Promise<void> {
    const checks = ['--install-missing', '--heapallindexed', '--parent-check', 'postgres'];
    await mustRun(...this.client('pg_amcheck', ...checks));
  }

  /** Reads every page of the stopped server. @returns how many blocks; @throws Error when one is not as it was written */
  async checkChecksums(): Promise<number> {
    const report = await this.#runInPod('pg_checksums', '--check', '--pgdata', DATA);
    const [blocks, bad] = ['Blocks scanned', 'Bad checksums'].map((name) => {
      return Number(new RegExp(`^${name}: +(\\d+)$`, 'm').exec(report)?.[1]);
    });
    if (bad !== 0 || blocks === undefined || !(blocks > 0)) throw new Error(report);
    return blocks;
  }

  get #connection(): string[] {
    return ['--host', this.#socketDirectory, '--username', 'postgres'];
  }

  async #accepts(): Promise<true | undefined> {
    if (!this.isRunning) throw new Error('it ended');
    return (await runCommand(join(this.#bin, 'pg_isready'), this.#connection)).code === 0 ? true : undefined;
  }

  /** To the first process of the pod: the others end before it does, and `unshare` after all of them (pid_namespaces(7)). */
  async #end(signal: 'SIGINT' | 'SIGKILL'): Promise<void> {
    const unshare = this.#child;
    if (unshare?.pid === undefined || !this.isRunning) return;
    const ended = once(unshare, 'exit');
    const children = await readFile(`/proc/${unshare.pid}/task/${unshare.pid}/children`, 'utf8').catch(() => '');
    if (children !== '') process.kill(Number(children.trim()), signal);
    await ended;
  }

  async #runInPod(program: string, ...args: readonly string[]): Promise<string> {
    return mustRun('unshare', [...this.#pod, join(this.#bin, program), ...args], { timeoutMs: 240_000 });
  }
}

/** The user of Debian's packages. */
export async function postgresUser(): Promise<{ readonly uid: number; readonly gid: number }> {
  const ids = [await mustRun('id', ['-u', 'postgres']), await mustRun('id', ['-g', 'postgres'])];
  const [uid = 0, gid = 0] = ids.map(Number);
  return { uid, gid };
}
