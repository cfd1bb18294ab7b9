import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { driverPaths } from './driver.js';
import type { CommandResult } from './run-command.js';

const PROGRAM = fileURLToPath(new URL('../../dist/kayal.js', import.meta.url));

/** Runs a command for people, with the configuration and the state of the driver in `directory`. */
export function kayal(
  directory: string,
  args: readonly string[],
  stdin = '',
  environment: Readonly<Record<string, string>> = {},
): Promise<CommandResult> {
  const { config, stateDir } = driverPaths(directory);
  const flags = ['--config', config, '--state-dir', stateDir, '--node-id', 'node-1'];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--enable-source-maps', PROGRAM, ...args, ...flags], {
      // No cluster but one that a test names.
      env: { ...process.env, HOME: directory, KUBECONFIG: '', KUBERNETES_SERVICE_HOST: '', ...environment },
      timeout: 110_000,
      killSignal: 'SIGKILL',
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.stdin.on('error', () => undefined).end(stdin);
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? undefined, stdout, stderr }));
  });
}
