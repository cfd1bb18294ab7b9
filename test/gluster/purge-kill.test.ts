import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { recordPath } from '../../src/volumes/records/layout.js';
import { Driver } from '../lib/driver.js';
import { loopDirectory, type LoopDirectory } from '../lib/loop-directory.js';
import { createRequest, retried } from '../lib/requests.js';
import { waitFor } from '../lib/wait.js';

let directory: string;
let pool: LoopDirectory;
let faults: string;
let driver: Driver;

const start = async (): Promise<void> => {
  driver = await Driver.start({
    directory,
    role: 'controller',
    pools: [{ name: 'dir', type: 'directory', path: pool.path, shared: true, quota: 'none' }],
    env: { KAYAL_FAULT_POINTS: faults },
    logLevel: 'info',
  });
  await retried(() => driver.client.controller.GetCapacity({}));
};

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'purge-kill-'));
  faults = join(directory, 'faults');
  pool = await loopDirectory(directory, 'pool', 64);
  await start();
});

afterAll(async () => {
  await driver?.kill();
  await pool?.remove();
});

const exists = (path: string): Promise<boolean> =>
  stat(join(pool.path, path)).then(
    () => true,
    () => false,
  );

/** A volume that was deleted and kept, with a file in it. @returns where its data is */
const keep = async (onDelete: 'retain' | 'archive'): Promise<string> => {
  const parameters = { onDelete };
  const { volume } = await retried(() => driver.client.controller.CreateVolume(createRequest('v', { parameters })));
  const path = volume?.volume_context['path'] ?? '';
  await writeFile(join(pool.path, path, 'file'), 'data');
  await retried(() => driver.client.controller.DeleteVolume({ volume_id: 'dir/v' }));
  if (onDelete === 'retain') return path;
  const [entry] = await readdir(join(pool.path, '.kayal/archive'));
  return `.kayal/archive/${entry}`;
};

/** Nothing may be left of the volume, and never a record `retained` or `archived` without its data. */
const isGone = async (path: string): Promise<true | undefined> => {
  const left = [await exists(recordPath('v')), await exists(path)];
  const trash = await readdir(join(pool.path, '.kayal/trash'));
  return left.includes(true) || trash.length > 0 ? undefined : true;
};

it.each(['retain', 'archive'] as const)(
  'a purge of a volume kept by %s survives a kill -9 at any point',
  async (onDelete) => {
    const tasks = join(pool.path, '.kayal/requests/tasks');
    await mkdir(tasks, { recursive: true });
    let visited = 0;
    for (let n = 1; ; n++) {
      const path = await keep(onDelete);
      const task = join(tasks, `t${n}.json`);
      await writeFile(faults, String(n));
      // As a command leaves it there: seen whole or not at all.
      await writeFile(task, JSON.stringify({ task: { kind: 'purge', id: 'v' }, askedAt: new Date().toISOString() }));
      const done = await waitFor('the purge or the kill', async () => {
        if (!driver.isRunning) return 'killed';
        const isAnswered = (await readFile(task, 'utf8')).includes('"answer"');
        return isAnswered && (await isGone(path)) === true ? 'purged' : undefined;
      });
      await writeFile(faults, '');
      if (done === 'purged') break;
      visited++;
      await driver.kill();
      await start();
      await waitFor('the purge to be finished', () => isGone(path));
      await rm(task, { force: true });
    }
    if (!driver.isRunning) await start();
    console.log(`kill -9 at ${visited} points of a purge (${onDelete})`);
    expect(visited).toBeGreaterThan(10);
  },
  300_000,
);
