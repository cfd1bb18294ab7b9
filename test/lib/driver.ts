import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { connectCsi, type CsiClient } from './csi-client.js';
import { sleep, waitFor } from './wait.js';

const PROGRAM = fileURLToPath(new URL('../../dist/kayal.js', import.meta.url));

export interface DriverOptions {
  /** Everything of this driver lies below it: socket, state, kubelet's directory, config and log. */
  readonly directory: string;
  /** The `pools` of the config file. */
  readonly pools: readonly object[];
  /** Default `node-1`. */
  readonly nodeId?: string | undefined;
  /** Default `all`. */
  readonly role?: 'all' | 'controller' | 'node' | undefined;
  /** Default `test`. */
  readonly installation?: string | undefined;
  readonly logLevel?: string | undefined;
  /** HOST:PORT for /metrics. */
  readonly metricsAddress?: string | undefined;
  /** The directory that the mounter locks. */
  readonly mounter?: string | undefined;
  /** A command that becomes the one that follows it; see Confinement. */
  readonly prefix?: readonly string[] | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Where its socket is, default `csi.sock` in its directory. */
  readonly socket?: string | undefined;
  /** Default true: stacks in its log name lines of the sources, which takes 18 MiB. The image starts it without. */
  readonly sourceMaps?: boolean | undefined;
  /** How long to wait for Probe to say ready; default 60 s. */
  readonly readyMs?: number | undefined;
}

/** The paths of a driver in its directory; two drivers may share some by giving the same directory. */
export function driverPaths(directory: string): {
  readonly config: string;
  readonly socket: string;
  readonly stateDir: string;
  readonly kubeletDir: string;
  readonly log: string;
} {
  return {
    config: join(directory, 'config.yaml'),
    socket: join(directory, 'csi.sock'),
    stateDir: join(directory, 'state'),
    kubeletDir: join(directory, 'kubelet'),
    log: join(directory, 'kayal.log'),
  };
}

/** The last lines of a log; '' when there is none. */
export async function logTail(file: string, lines = 40): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-lines).join('\n');
}

/** `kayal <role>` as a process of its own, the way users run it. */
export class Driver {
  readonly directory: string;
  readonly client: CsiClient;
  readonly #child: ChildProcess;

  private constructor(directory: string, child: ChildProcess, client: CsiClient) {
    this.directory = directory;
    this.#child = child;
    this.client = client;
  }

  /**
   * Starts the driver and waits until Probe says it is ready.
   * @throws Error with the end of its log when it ends, or is not ready in time
   */
  static async start(options: DriverOptions): Promise<Driver> {
    const { directory } = options;
    const paths = driverPaths(directory);
    await mkdir(paths.kubeletDir, { recursive: true });
    await writeConfig(directory, options.pools, options.installation);
    const log = openSync(paths.log, 'a');
    const flags = options.sourceMaps === false ? [] : ['--enable-source-maps'];
    const command = [process.execPath, ...flags, PROGRAM, ...argumentsOf(options)];
    const [program = '', ...args] = [...(options.prefix ?? []), ...command];
    const child = spawn(program, args, {
      env: { ...process.env, ...options.env },
      stdio: ['ignore', log, log],
      detached: true,
    });
    closeSync(log);
    child.unref();
    const driver = new Driver(directory, child, connectCsi(`unix://${options.socket ?? paths.socket}`));
    try {
      await driver.#ready(options.readyMs ?? 60_000);
      return driver;
    } catch (error) {
      await driver.kill();
      throw new Error(`kayal did not start: ${String(error)}\n${await logTail(paths.log)}`, { cause: error });
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** SIGTERM, as kubelet does it; SIGKILL after `graceMs`. @returns the exit code, undefined after a signal */
  async stop(graceMs = 30_000): Promise<number | undefined> {
    this.client.close();
    if (this.isRunning) {
      // It was unref'ed, so that a program may end without it; but not while its end is awaited.
      this.#child.ref();
      const ended = once(this.#child, 'exit');
      this.#child.kill('SIGTERM');
      await Promise.race([ended, sleep(graceMs, undefined, { ref: false })]);
    }
    if (this.isRunning) await this.kill();
    return this.#child.exitCode ?? undefined;
  }

  /** kill -9: what the driver started (bricks, clients) goes on. */
  async kill(): Promise<void> {
    this.client.close();
    if (!this.isRunning) return;
    this.#child.ref();
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }

  async #ready(timeoutMs: number): Promise<void> {
    await waitFor(
      'Probe to say ready',
      async () => {
        if (!this.isRunning) throw new Error(`it ended with ${this.#child.exitCode ?? this.#child.signalCode}`);
        const answer = await this.client.identity.Probe({}, { timeoutMs: 2000 }).catch(() => undefined);
        return answer?.ready?.value === true ? true : undefined;
      },
      { timeoutMs },
    );
  }
}

function argumentsOf(options: DriverOptions): readonly string[] {
  const paths = driverPaths(options.directory);
  const flags = {
    config: paths.config,
    endpoint: `unix://${options.socket ?? paths.socket}`,
    'node-id': options.nodeId ?? 'node-1',
    'state-dir': paths.stateDir,
    'kubelet-dir': paths.kubeletDir,
    'log-level': options.logLevel ?? 'debug',
    ...(options.metricsAddress === undefined ? {} : { 'metrics-address': options.metricsAddress }),
    ...(options.mounter === undefined ? {} : { mounter: options.mounter }),
  };
  return [options.role ?? 'all', ...Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value])];
}

/** Writes a driver's config file; a running driver picks the change up. */
export async function writeConfig(directory: string, pools: readonly object[], installation = 'test'): Promise<void> {
  await writeFile(driverPaths(directory).config, stringify({ installation, pools }));
}

/** A managed pool of three bricks below the directory, which it makes. */
export async function managedPool(directory: string, name: string, keys: object = {}): Promise<object> {
  const bricks = [1, 2, 3].map((number) => join(directory, 'bricks', `${name}-${number}`));
  for (const brick of bricks) await mkdir(brick, { recursive: true });
  return { name, type: 'managed', replica: 3, bricks, ...keys };
}
