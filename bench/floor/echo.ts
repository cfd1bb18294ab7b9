import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { CsiSocket } from '../load/csi-socket.js';
import { waitFor } from '../../test/lib/wait.js';

const SCRIPT = fileURLToPath(new URL('./echo-server.mjs', import.meta.url));

/** An empty Node.js process with grpc-js that answers Probe. */
export class Echo {
  readonly socket: CsiSocket;
  /** From its start to its first answer, in ms. */
  readonly startMs: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, socket: CsiSocket, startMs: number) {
    this.#child = child;
    this.socket = socket;
    this.startMs = startMs;
  }

  static async start(path: string, environment: NodeJS.ProcessEnv): Promise<Echo> {
    const since = performance.now();
    const child = spawn(process.execPath, [SCRIPT, path], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    const socket = new CsiSocket(path);
    await firstAnswer(socket);
    return new Echo(child, socket, performance.now() - since);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async stop(): Promise<void> {
    this.socket.close();
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}

/** Waits until Probe is answered. */
export async function firstAnswer(socket: CsiSocket): Promise<void> {
  await waitFor(
    'an answer to Probe',
    async () => {
      const answer = await socket.once('Identity', 'Probe', {}, { timeoutMs: 1_000 }).catch(() => undefined);
      return answer === undefined ? undefined : true;
    },
    { intervalMs: 2, timeoutMs: 120_000 },
  );
}
