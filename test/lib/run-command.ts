import { spawn } from 'node:child_process';

export interface CommandResult {
  /** The exit code; 128 + signal number is not used: undefined means that a signal ended it. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** SIGKILL after this time; default 60 s. */
  readonly timeoutMs?: number;
  /** What it reads from its standard input; nothing by default. */
  readonly input?: string;
}

/** Runs a program to its end. A failure is a result, not an exception; a program that is not there rejects. */
export function runCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: options.timeoutMs ?? 60_000,
      killSignal: 'SIGKILL',
    });
    // A program need not read all of it, or any.
    child.stdin.on('error', () => undefined).end(options.input);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? undefined, stdout, stderr }));
  });
}

/** @throws Error with what the program printed, when it did not end with 0 */
export async function mustRun(program: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await runCommand(program, args, options);
  if (code === 0) return stdout;
  throw new Error(`${program} ${args.join(' ')} ended with ${code ?? 'a signal'}: ${stderr.trim() || stdout.trim()}`);
}
