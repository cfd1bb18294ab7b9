import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { pendingHealsOf } from '../../src/gluster/heal-info.js';
import { KillableDriver } from '../lib/killable-driver.js';
import { findProcesses } from '../lib/leftovers.js';
import { loopDirectory, type LoopDirectory } from '../lib/loop-directory.js';
import { publishNew, type PublishedVolume } from '../lib/published-volume.js';
import { mustRun } from '../lib/run-command.js';
import { waitFor } from '../lib/wait.js';

const FILES = 20;
/** Far less than the minute for which features/quota may keep a directory locked. */
const HEALED_WITHIN_MS = 40_000;

let directory: string;
let disks: LoopDirectory[];
let driver: KillableDriver;
let volume: PublishedVolume;

const bricks = (): string[] => disks.map(({ path }) => join(path, 'brick'));

async function start(quota: string): Promise<void> {
  driver = await KillableDriver.start({
    directory,
    pools: [{ name: 'three', type: 'managed', replica: 3, bricks: bricks(), quota }],
  });
  volume = await publishNew(driver, 'v', { sizeMiB: 32 });
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'mw-'));
  disks = [];
  for (const name of ['d1', 'd2', 'd3']) disks.push(await loopDirectory(directory, name, 256));
});

afterEach(async () => {
  await volume?.unpublish();
  await driver?.stop();
  for (const disk of disks) await disk.remove();
});

/** Without a driver nobody starts the brick again; what is published goes on. */
async function withoutFirstBrick(work: () => Promise<void>): Promise<void> {
  await driver.driver.kill();
  const [first = ''] = bricks();
  const [brick] = await findProcesses((command) => command.includes(`--brick-name ${first} `));
  if (brick === undefined) throw new Error(`no process serves ${first}`);
  process.kill(brick.pid, 'SIGKILL');
  await work();
  await driver.startAgain();
}

const described = (path: string): Promise<string> =>
  mustRun('bash', ['-c', 'find . -type f -print0 | sort -z | xargs -0 sha256sum; find . -type d | sort'], {
    cwd: path,
  });

it.each(['gluster', 'none'])(
  'what was moved and removed while a brick was away is so on that brick, too (quota %s)',
  { timeout: 180_000 },
  async (quota) => {
    await start(quota);
    const at = (path: string): string => join(volume.path, path);
    for (const path of ['from/data/sub', 'to', 'gone/deep/er']) await mkdir(at(path), { recursive: true });
    const fill = async (path: string): Promise<void> => {
      for (let number = 0; number < FILES; number++) await writeFile(at(`${path}/${number}`), `${path} ${number}`);
    };
    for (const path of ['from/data', 'from/data/sub', 'gone/deep/er']) await fill(path);
    await withoutFirstBrick(async () => {
      await mustRun('mv', [at('from/data'), at('to/data')]);
      await mustRun('mv', [at('to/data/sub'), at('from/other')]);
      await mustRun('rm', ['-r', at('gone')]);
      await mkdir(at('made'));
      await fill('made');
    });
    const wanted = await described(volume.path);
    expect(wanted).toMatch(/to\/data\/7\n/);
    let seen: unknown;
    const all = Array.from(bricks(), () => ({ heals: 0, isEqual: true }));
    const healed = async (): Promise<true | undefined> => {
      seen = await Promise.all(
        bricks().map(async (brick) => ({
          heals: await pendingHealsOf(brick),
          isEqual: (await described(join(brick, volume.poolPath))) === wanted,
        })),
      );
      return JSON.stringify(seen) === JSON.stringify(all) ? true : undefined;
    };
    await waitFor('the brick to have it all', healed, { timeoutMs: HEALED_WITHIN_MS, intervalMs: 500 }).catch(
      () => undefined,
    );
    expect(seen).toEqual(all);
    expect(await described(volume.path)).toBe(wanted);
  },
);
