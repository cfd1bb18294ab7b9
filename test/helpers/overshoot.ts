import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from '../lib/run-command.js';
import { sleep } from '../lib/wait.js';

export interface OvershootOptions {
  /** An empty directory with a limit, on a mount of the pool. */
  readonly directory: string;
  readonly limitBytes: bigint;
  /** How many processes write at full speed, each a file of its own. */
  readonly writers: number;
}

export interface Overshoot {
  /** Space that the files take, in bytes of allocated blocks. */
  readonly usedBytes: bigint;
  /** Negative when writers were stopped before the limit. */
  readonly overshootBytes: bigint;
  /** Of the limit. */
  readonly percent: number;
  /** Until the last writer was stopped, failing writes included. */
  readonly seconds: number;
}

const MIB = 1 << 20;
const WRITER_TIMEOUT_MS = 120_000;
const SETTLED_AFTER_MS = 300;
const SETTLE_TIMEOUT_MS = 10_000;

async function allocatedBytes(directory: string): Promise<bigint> {
  const names = await readdir(directory);
  const files = await Promise.all(names.map((name) => stat(join(directory, name), { bigint: true })));
  return files.reduce((sum, { blocks }) => sum + blocks * 512n, 0n);
}

/** Writers are done before their data is: with flush-behind close(2) does not wait for it. */
async function settledBytes(directory: string): Promise<bigint> {
  const deadline = performance.now() + SETTLE_TIMEOUT_MS;
  for (let last = await allocatedBytes(directory); ;) {
    await sleep(SETTLED_AFTER_MS);
    const now = await allocatedBytes(directory);
    if (now === last || performance.now() > deadline) return now;
    last = now;
  }
}

/** @throws Error when the limit did not stop it */
async function writeUntilStopped(file: string, limitBytes: bigint): Promise<void> {
  // Enough to be sure that nothing stops it, and not enough to fill a disk.
  const mebibytes = Math.ceil(Number(limitBytes) / MIB) * 4 + 64;
  const args = ['if=/dev/zero', `of=${file}`, `bs=${MIB}`, `count=${mebibytes}`, 'status=none'];
  const env = { ...process.env, LC_ALL: 'C' };
  const { code, stderr } = await runCommand('dd', args, { env, timeoutMs: WRITER_TIMEOUT_MS });
  if (code === 0 || !/Disk quota exceeded|No space left on device/.test(stderr)) {
    throw new Error(`a writer of ${file} was not stopped by its limit: dd ended with ${code ?? 'a signal'} ${stderr}`);
  }
}

/**
 * Lets processes write into a directory at full speed until its limit stops them, and measures how far they came. The
 * files are removed afterwards.
 * @throws Error when the limit does not stop a writer
 */
export async function measureOvershoot({ directory, limitBytes, writers }: OvershootOptions): Promise<Overshoot> {
  const files = Array.from({ length: writers }, (_, index) => join(directory, `writer-${index}`));
  const started = performance.now();
  await Promise.all(files.map((file) => writeUntilStopped(file, limitBytes)));
  const seconds = (performance.now() - started) / 1000;
  const usedBytes = await settledBytes(directory);
  await Promise.all(files.map((file) => rm(file, { force: true })));
  const overshootBytes = usedBytes - limitBytes;
  return { usedBytes, overshootBytes, percent: (Number(overshootBytes) / Number(limitBytes)) * 100, seconds };
}
