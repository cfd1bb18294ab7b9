import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from './run-command.js';
import { sleep, waitFor } from './wait.js';

export interface Intrusion {
  /** Names in the root of what was mounted, if anything was. */
  readonly found: readonly string[];
  readonly log: string;
}

/** What the log of a client says once it knows how its connections went; one that was cut off is silent at lower levels. */
const KNOWS = /SSL|TLS|uthentication|AUTH_FAILED|not found|readv on|disconnect|switched to graph/i;
/** Longer than it takes to look at the root of a pool. */
const PATIENCE_MS = 1_500;

/**
 * Mounts with GlusterFS' own client, as somebody would who has got hold of this much, and looks what is there.
 * @param source arguments of glusterfs(8) that say where the volfile is
 */
async function intrude(directory: string, name: string, source: readonly string[]): Promise<Intrusion> {
  const mountPoint = join(directory, `${name}.mnt`);
  const logFile = join(directory, `${name}.log`);
  await mkdir(mountPoint);
  const args = ['-N', '--log-level=INFO', `--log-file=${logFile}`, ...source, mountPoint];
  const client = spawn('glusterfs', args, { stdio: 'ignore' });
  const ended = once(client, 'exit');
  try {
    const log = async (): Promise<string> => readFile(logFile, 'utf8').catch(() => '');
    await waitFor(`${name} to know`, async () =>
      KNOWS.test(await log()) || client.exitCode !== null ? true : undefined,
    );
    await sleep(PATIENCE_MS);
    const { stdout } = await runCommand('ls', ['-A', mountPoint], { timeoutMs: 5_000 });
    return { found: stdout.split('\n').filter(Boolean), log: await log() };
  } finally {
    if (client.exitCode === null && client.signalCode === null) client.kill('SIGKILL');
    await ended;
    await runCommand('umount', ['-l', mountPoint]);
  }
}

/** With a volfile of its own. @param args more arguments of glusterfs(8) */
export async function intrudeWith(
  directory: string,
  name: string,
  volfile: string,
  args: readonly string[] = [],
): Promise<Intrusion> {
  const file = join(directory, `${name}.vol`);
  await writeFile(file, volfile);
  return intrude(directory, name, [`--volfile=${file}`, `--volfile-id=${name}`, ...args]);
}

/** Asking a glusterd for the volfile of its volume. */
export function intrudeAt(directory: string, name: string, host: string, volume: string): Promise<Intrusion> {
  return intrude(directory, name, [`--volfile-server=${host}`, `--volfile-id=/${volume}`]);
}
