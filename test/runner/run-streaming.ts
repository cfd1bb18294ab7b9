import { spawn } from 'node:child_process';

export interface StreamingOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly timeoutMs: number;
  /** Aborting ends the program and all that it started in its process group. */
  readonly signal: AbortSignal;
}

/**
 * Runs a program with its output on the terminal, in a process group of its own.
 * @returns its exit code; undefined when a signal ended it
 * @throws Error when it ran longer than `timeoutMs`
 */
export async function runStreaming(
  program: string,
  args: readonly string[],
  options: StreamingOptions,
): Promise<number | undefined> {
  options.signal.throwIfAborted();
  const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'], env: options.env, detached: true });
  const killGroup = (): void => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
      process.kill(-child.pid, 'SIGKILL');
  };
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    killGroup();
  }, options.timeoutMs);
  options.signal.addEventListener('abort', killGroup);
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => {
        if (isLate) reject(new Error(`${program} did not end within ${options.timeoutMs / 60_000} minutes`));
        else resolve(code ?? undefined);
      });
    });
  } finally {
    clearTimeout(timer);
    options.signal.removeEventListener('abort', killGroup);
  }
}
