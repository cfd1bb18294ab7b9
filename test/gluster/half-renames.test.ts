import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { ManagedPool } from '../../src/gluster/managed-pool.js';
import { HalfRenames } from '../../src/linux/half-renames.js';
import { bricksOfLayout, DISTRIBUTED_LAYOUTS, GROUP_LAYOUTS } from '../lib/layouts.js';
import { removeLeftovers } from '../lib/leftovers.js';
import { PoolBench } from '../lib/managed-pool.js';
import { mustRun } from '../lib/run-command.js';
import { waitFor } from '../lib/wait.js';
import { IS_LONG } from '../runner/long.js';

const FROM = 'from/directory';
const TO = 'to/directory';

let bench: PoolBench;

beforeEach(async () => {
  bench = new PoolBench(await mkdtemp(join(tmpdir(), 'hr-')));
});

afterEach(async () => {
  try {
    await bench.stopAll();
  } finally {
    await removeLeftovers(bench.directory);
    await rm(bench.directory, { recursive: true, force: true });
  }
});

/** What one brick does of a rename that the others refuse. */
async function renameOnBrick(pool: ManagedPool, index: number): Promise<void> {
  const place = join(bench.directory, 'one-brick');
  await mkdir(place, { recursive: true });
  const volfile = pool.brickPlaces().volfiles[index] ?? '';
  await mustRun('glusterfs', [`--volfile=${volfile}`, '--volfile-id=one', `--log-file=${place}.log`, place]);
  try {
    await waitFor('the brick', () => stat(join(place, FROM)).catch(() => undefined));
    await mustRun('mv', ['-T', join(place, FROM), join(place, TO)]);
  } finally {
    await mustRun('umount', [place]);
  }
}

const REPLICA_3 = { name: 'replica 3', keys: { replica: 3 }, groups: 1 } as const;
const LAYOUTS = [REPLICA_3, ...GROUP_LAYOUTS, ...DISTRIBUTED_LAYOUTS];
/** One of each kind; the others with --long. */
const QUICK = ['replica 3', 'disperse 2+1', '2 x replica 2 arbiter 1'];
/** Of one group as many as are too few; of two all of the first, and of the second none. */
const CASES = LAYOUTS.filter(({ name }) => IS_LONG || QUICK.includes(name)).map((layout) => {
  const { shape } = bricksOfLayout(layout);
  const tooFew = shape.kind === 'disperse' ? shape.size - shape.redundancy - 1 : 1;
  return { ...layout, renamed: layout.groups === 1 ? tooFew : shape.size };
});

it.each(CASES)('$name: what $renamed bricks have renamed and the others not is taken back', async (layout) => {
  const { count } = bricksOfLayout(layout);
  const bricks = Array.from({ length: count }, (_, index) => join(bench.directory, 'bricks', `${index}`));
  const pool = await bench.start({ name: 'half', bricks, ...layout.keys });
  const { path } = await bench.mount(pool, true);
  for (const directory of [FROM, 'to']) await mkdir(join(path, directory), { recursive: true });
  const names = Array.from({ length: 12 }, (_, number) => `file-${number}`);
  for (const name of names) await writeFile(join(path, FROM, name), name);
  for (let index = 0; index < layout.renamed; index++) await renameOnBrick(pool, index);

  const half = new HalfRenames({ pool: 'half', io: bench.io, log: bench.log, places: async () => pool.brickPlaces() });
  expect(await half.undo(FROM, TO)).toBe(true);
  expect(await half.undo(FROM, TO)).toBe(false);
  for (const brick of bricks) expect(await readdir(join(brick, 'to'))).toEqual([]);

  // A client that has not seen any of it, as the one of a controller that starts again.
  await bench.stopClients();
  const fresh = await bench.mount(pool);
  expect(await readdir(join(fresh.path, 'to'))).toEqual([]);
  await mustRun('mv', ['-T', join(fresh.path, FROM), join(fresh.path, TO)]);
  for (const name of names) expect(await readFile(join(fresh.path, TO, name), 'utf8')).toBe(name);
  expect(await readdir(join(fresh.path, 'from'))).toEqual([]);
  await waitFor('heal info to be empty', async () => ((await pool.pendingHeals()) === 0 ? true : undefined));
});
