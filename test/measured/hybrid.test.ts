import { mkdir, mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { driverPaths, managedPool } from '../lib/driver.js';
import type { Driver } from '../lib/driver.js';
import { median } from '../lib/durable-file.js';
import { hybridDirectory, type HybridDirectory } from '../lib/hybrid-directory.js';
import { startOpen } from '../lib/open-driver.js';
import type { PoolKeys } from '../lib/pool-configs.js';
import { mustRun } from '../lib/run-command.js';
import { VolumeUser, mounted } from '../lib/volume-user.js';

/** Each of 4 KiB, in directories of 100. */
const FILES = 500;
/** Through the pool there is one: a busy machine needs a minute for it. */
const ROUNDS = 5;
const SIZE_MIB = 128;

let directory: string;
let disk: HybridDirectory;
let driver: Driver;
let user: VolumeUser;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'hm-'));
  disk = await hybridDirectory(directory, 'copies', 1_024);
  const pool = (await managedPool(directory, 'r3', { quota: 'gluster' })) as PoolKeys;
  driver = await startOpen({ directory, pools: [pool], env: disk.env });
  user = new VolumeUser(directory, () => driver);
}, 120_000);

afterAll(async () => {
  await driver?.stop();
  await disk?.remove();
});

interface Times {
  readonly untar: number;
  readonly look: number;
  readonly remove: number;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const since = performance.now();
  await work();
  return performance.now() - since;
}

async function smallFiles(path: string, archive: string): Promise<Times> {
  const run = (...[program = '', ...args]: string[]): Promise<string> =>
    mustRun(program, args, { cwd: path, timeoutMs: 280_000 });
  return {
    untar: await timed(() => run('tar', '-xf', archive)),
    look: await timed(() => run('find', 'files', '-size', '+1000k')),
    remove: await timed(() => run('rm', '-r', 'files')),
  };
}

it('small files are worked with as on the local disk, and not as through the pool', { timeout: 600_000 }, async () => {
  const source = join(directory, 'source');
  const archive = join(directory, 'files.tar');
  const script = `for d in $(seq ${FILES / 100}); do mkdir -p files/$d; for f in $(seq 100); do head -c 4096 /dev/urandom > files/$d/$f; done; done; tar -cf ${archive} files`;
  await mkdir(source);
  await mustRun('bash', ['-c', script], { cwd: source, timeoutMs: 120_000 });
  const capability = mounted();
  const hybrid = await user.create('hybrid', {
    sizeMiB: SIZE_MIB,
    capability,
    parameters: { volumeType: 'hybrid', syncInterval: '1s' },
  });
  const plain = await user.create('plain', { sizeMiB: SIZE_MIB, capability });
  const local = join(disk.path, 'local');
  await mkdir(local);
  const places = { local, hybrid: await user.use(hybrid, capability), pool: await user.use(plain, capability) };
  const total: Record<string, number[]> = { local: [], hybrid: [], pool: [] };
  try {
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, path] of Object.entries(places)) {
        if (name === 'pool' && round > 0) continue;
        const { untar, look, remove } = await smallFiles(path, archive);
        total[name]?.push(untar + look + remove);
        const text = [untar, look, remove].map((ms) => `${Math.round(ms)} ms`);
        console.log(`${FILES} files, ${name}: untar ${text[0]}, look at each ${text[1]}, rm ${text[2]}`);
      }
    }
    const all = (name: string): number => median(total[name] ?? []);
    const [toPool, toLocal] = [all('pool') / all('hybrid'), all('local') / all('hybrid')];
    console.log(
      `hybrid is ${toPool.toFixed(1)} times as fast as the pool, and ${toLocal.toFixed(2)} of the local disk`,
    );
    const states = join(driverPaths(directory).stateDir, 'control/r3/mnt/volumes');
    const synced = (await readdir(states, { recursive: true })).filter((name) => /\/state\.\d+\.\d+$/.test(name));
    expect(synced.length).toBeGreaterThan(0);
    // What is seen is more; other work on the machine hits them unevenly.
    expect(toPool).toBeGreaterThan(5);
    expect(toLocal).toBeGreaterThan(0.3);
  } finally {
    for (const handle of [hybrid, plain]) {
      await user.leave(handle);
      await user.remove(handle);
    }
  }
});
