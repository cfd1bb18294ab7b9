import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { logTail } from './driver.js';
import { mustRun, runCommand } from './run-command.js';
import { sleep, waitFor } from './wait.js';

const PROGRAM = fileURLToPath(new URL('../../dist/kayal.js', import.meta.url));
const METRICS_PORT = 9810;
const FETCH =
  'fetch(process.argv[1]).then(async (r) => process.stdout.write(r.status + " " + (await r.text())), () => process.exit(1))';

/** Copies of clients' mounts would keep those alive that are unmounted outside. */
const SETUP = 'umount --lazy --all --types fuse.glusterfs; exec "$@"';

export interface BrickRoleOptions {
  /** Its log and its state lie below it. */
  readonly directory: string;
  readonly poolFile: string;
  readonly brick: number;
  readonly device?: string | undefined;
  /** Runs it where it is to run. */
  readonly prefix: readonly string[];
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/** `kayal brick` in a container, as far as processes and mounts go: all of it ends with its first process, tini as in the image. */
export class BrickRole {
  readonly #options: BrickRoleOptions;
  readonly #child: ChildProcess;

  private constructor(options: BrickRoleOptions, child: ChildProcess) {
    this.#options = options;
    this.#child = child;
  }

  static async start(options: BrickRoleOptions): Promise<BrickRole> {
    const { directory, poolFile, brick, device, prefix, env } = options;
    await mkdir(directory, { recursive: true });
    const log = openSync(join(directory, 'brick.log'), 'a');
    const namespaces = ['--mount', '--pid', '--fork', '--kill-child=SIGKILL', '--mount-proc'];
    const container = ['unshare', ...namespaces, 'sh', '-c', SETUP, 'sh', 'tini', '-s', '--'];
    const flags = {
      'pool-file': poolFile,
      brick: String(brick),
      'state-dir': join(directory, 's'),
      'metrics-address': `:${METRICS_PORT}`,
      ...(device === undefined ? {} : { device }),
    };
    const role = ['brick', ...Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value])];
    const [program = '', ...args] = [...prefix, ...container, process.execPath, PROGRAM, ...role];
    const child = spawn(program, args, { stdio: ['ignore', log, log], env: { ...process.env, ...env } });
    closeSync(log);
    return new BrickRole(options, child);
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** What an HTTP path answers, its status first; undefined: nothing. */
  async get(path: string): Promise<string | undefined> {
    const [program = '', ...args] = this.#options.prefix;
    const url = `http://127.0.0.1:${METRICS_PORT}${path}`;
    const { code, stdout } = await runCommand(program, [...args, process.execPath, '-e', FETCH, url]);
    return code === 0 ? stdout : undefined;
  }

  /** @throws Error with the end of its log */
  async ready(): Promise<void> {
    try {
      await waitFor(
        'the brick to be ready',
        async () => ((await this.get('/readyz')) === '200 ok\n' ? true : undefined),
        {
          intervalMs: 500,
        },
      );
    } catch (error) {
      throw new Error(`brick ${this.#options.brick}: ${await this.get('/readyz')}\n${await this.log()}`, {
        cause: error,
      });
    }
  }

  /** What keeps it from serving, once that is known. */
  async problem(): Promise<string> {
    return waitFor(
      'a brick to say what is wrong',
      async () => {
        const answer = await this.get('/readyz');
        return answer?.startsWith('503 ') === true && !/being started|does not listen/.test(answer)
          ? answer.slice(4).trim()
          : undefined;
      },
      { intervalMs: 500 },
    );
  }

  /** A figure of /metrics; undefined where it is not told. */
  async metric(name: string): Promise<number | undefined> {
    const text = (await this.get('/metrics')) ?? '';
    const line = text.split('\n').find((one) => one.startsWith(`${name}{`) || one.startsWith(`${name} `));
    return line === undefined ? undefined : Number(line.split(' ').at(-1));
  }

  log(): Promise<string> {
    return logTail(join(this.#options.directory, 'brick.log'));
  }

  /** Its first process, as seen from outside. */
  async #init(): Promise<number> {
    const holder = this.#child.pid ?? 0;
    const text = await readFile(`/proc/${holder}/task/${holder}/children`, 'utf8').catch(() => '');
    return Number(text.trim().split(' ')[0]);
  }

  /** A path of its own, as seen from outside. */
  async path(inside: string): Promise<string> {
    return `/proc/${await this.#init()}/root${inside}`;
  }

  /** Runs a program with its mounts. */
  async run(...command: readonly string[]): Promise<string> {
    return mustRun('nsenter', [`--target=${await this.#init()}`, '--mount', '--', ...command]);
  }

  /** SIGTERM, as kubelet does it; SIGKILL after a minute. @returns the exit code, undefined after a signal */
  async stop(): Promise<number | undefined> {
    if (!this.isRunning) return this.#child.exitCode ?? undefined;
    const ended = once(this.#child, 'exit');
    const init = await this.#init();
    // unshare(1) itself does not listen.
    if (init > 0) process.kill(init, 'SIGTERM');
    await Promise.race([ended, sleep(60_000, undefined, { ref: false })]);
    if (this.isRunning) await this.kill();
    return this.#child.exitCode ?? undefined;
  }

  /** Waits for an end that it comes to by itself; true when it came. */
  async endsWithin(timeoutMs: number): Promise<boolean> {
    if (!this.isRunning) return true;
    return Promise.race([once(this.#child, 'exit').then(() => true), sleep(timeoutMs, false)]);
  }

  /** kill -9 of all that is in the container. */
  async kill(): Promise<void> {
    if (!this.isRunning) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}
