import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { recordPath } from '../../src/volumes/records/layout.js';
import { KillableDriver } from '../lib/killable-driver.js';
import { loopDirectory, type LoopDirectory } from '../lib/loop-directory.js';
import { directoryPool } from '../lib/pool-configs.js';
import { createRequest, retried } from '../lib/requests.js';
import { waitFor } from '../lib/wait.js';
import { FILE_TIMEOUT_MS } from '../runner/long.js';

let pool: LoopDirectory;
let driver: KillableDriver;

beforeAll(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'purge-kill-'));
  pool = await loopDirectory(directory, 'pool', 64);
  driver = await KillableDriver.start({ directory, role: 'controller', pools: [directoryPool('dir', pool.path)] });
});

afterAll(async () => {
  await driver?.stop();
  await pool?.remove();
});

const exists = (path: string): Promise<boolean> =>
  stat(join(pool.path, path)).then(
    () => true,
    () => false,
  );

const idOf = (onDelete: string): string => `v-${onDelete}`;

/** A volume that was deleted and kept, with a file in it. @returns where its data is */
const keep = async (onDelete: 'retain' | 'archive'): Promise<string> => {
  const parameters = { onDelete };
  const { volume } = await retried(() =>
    driver.client.controller.CreateVolume(createRequest(idOf(onDelete), { parameters })),
  );
  const path = volume?.volume_context['path'] ?? '';
  await writeFile(join(pool.path, path, 'file'), 'data');
  await retried(() => driver.client.controller.DeleteVolume({ volume_id: `dir/${idOf(onDelete)}` }));
  if (onDelete === 'retain') return path;
  const [entry] = await readdir(join(pool.path, '.kayal/archive'));
  return `.kayal/archive/${entry}`;
};

/** Nothing may be left of the volume, and never a record `retained` or `archived` without its data. */
const isGone = async (id: string, path: string): Promise<true | undefined> => {
  const left = [await exists(recordPath(id)), await exists(path)];
  const trash = await readdir(join(pool.path, '.kayal/trash'));
  return left.includes(true) || trash.length > 0 ? undefined : true;
};

it.each(['retain', 'archive'] as const)(
  'a purge of a volume kept by %s survives a kill -9 at any point',
  async (onDelete) => {
    const id = idOf(onDelete);
    const tasks = join(pool.path, '.kayal/requests/tasks');
    await mkdir(tasks, { recursive: true });
    let path = await keep(onDelete);
    let task = '';
    const purge = async (): Promise<void> => {
      task = join(tasks, `${randomUUID()}.json`);
      // As a command leaves it there: seen whole or not at all.
      const asked = { task: { kind: 'purge', id }, askedAt: new Date().toISOString() };
      await writeFile(`${task}.tmp`, JSON.stringify(asked));
      await rename(`${task}.tmp`, task);
      await waitFor('the purge', async () => {
        if (!driver.driver.isRunning) throw new Error('it was killed');
        const isAnswered = (await readFile(task, 'utf8')).includes('"answer"');
        return isAnswered ? isGone(id, path) : undefined;
      });
    };
    const { visited } = await driver.killEverywhere({
      what: `purge of what was kept (${onDelete})`,
      call: purge,
      check: async () => {
        await waitFor('the purge to be finished', () => isGone(id, path));
        await rm(task, { force: true });
        path = await keep(onDelete);
      },
      most: 3,
    });
    console.log(`kill -9 at ${visited} points of a purge (${onDelete})`);
    expect(visited).toBeGreaterThan(1);
  },
  FILE_TIMEOUT_MS,
);
