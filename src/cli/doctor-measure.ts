import { randomUUID } from 'node:crypto';
import { unavailable } from '../base/errors.js';
import { machine } from '../linux/machine.js';
import type { Tree } from '../linux/tree.js';
import type { QuotaMechanism } from '../quota/mechanism.js';

const MIB = 1024 * 1024;
/**
 * What is in flight when the limit is reached gets through: up to 8 MiB, whatever the limit (docs/quota.md). Here that
 * is 5 %, so more than 5 % can only come from the timeouts.
 */
const SIZE = 160 * MIB;
const DEADLINE_MS = 120_000;
/** Below `.kayal`, so that nobody else can come near it; a former measurement that was cut off is removed first. */
const DIRECTORY = '.kayal/doctor';

export interface Measurement {
  readonly limitBytes: number;
  /** What the directory holds when the writer was stopped. */
  readonly writtenBytes: number;
  readonly stopped: boolean;
}

export interface MeasureOptions {
  /** The control mount: limits are set through it. */
  readonly control: Tree;
  /** A pod's view of the pool: limits hold there. */
  readonly client: Tree;
  readonly mechanism: QuotaMechanism;
}

/** One writer at full speed into a directory with a limit of 160 MiB, twice the limit at most. */
export async function measureOvershoot({ control, client, mechanism }: MeasureOptions): Promise<Measurement> {
  await control.removeTree(DIRECTORY);
  const name = `${DIRECTORY}/${randomUUID()}`;
  await control.mkdirs(name, 0o700);
  const projectId = await mechanism.allocate(new Set());
  try {
    await mechanism.set({ path: name, projectId }, BigInt(SIZE));
    const stopped = await write(`${client.root}/${name}/file`);
    const written = await client.stat(`${name}/file`);
    return { limitBytes: SIZE, writtenBytes: Number(written?.size ?? 0n), stopped };
  } finally {
    await control.removeTree(DIRECTORY);
    await mechanism.clear({ path: name, projectId });
  }
}

/** @returns true when the writer was stopped by an error, as it should be */
function write(file: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const argv = ['if=/dev/zero', `of=${file}`, 'bs=1M', `count=${(2 * SIZE) / MIB}`, 'conv=fsync', 'status=none'];
    const child = machine.spawn('dd', argv, {
      stdio: 'ignore',
      timeout: DEADLINE_MS,
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
    });
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      if (signal === null) resolve(code !== 0);
      else reject(unavailable(`the writer did not end within ${DEADLINE_MS / 1000} s`));
    });
  });
}
