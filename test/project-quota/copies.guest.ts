/*
 * Snapshots and clones on a replicated pool whose bricks share blocks and keep limits. Started by copies.test.ts where XFS has
 * project quota; every check that fails ends it.
 */
import assert from 'node:assert/strict';
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { IoWorkers } from '../../src/linux/io-workers.js';
import { getQuota } from '../../src/linux/project-quota.js';
import { Tree } from '../../src/linux/tree.js';
import { brickProjectId } from '../../src/quota/project-id.js';
import { recordPath } from '../../src/volumes/records/layout.js';
import { Driver, driverPaths } from '../lib/driver.js';
import { durableFileMs } from '../lib/durable-file.js';
import { dfBytes, publishNew } from '../lib/published-volume.js';
import { createRequest, MiB, retried } from '../lib/requests.js';
import { mustRun, runCommand } from '../lib/run-command.js';
import { sleep, waitFor } from '../lib/wait.js';

const directory = process.env['KAYAL_TEST_DIRECTORY'] ?? '';
const mounts = (process.env['KAYAL_TEST_BRICKS'] ?? '').split(':');
const bricks = mounts.map((path) => join(path, 'brick'));
const [brick = ''] = bricks;
const quiet = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };
const io = new IoWorkers({ log: quiet });
const faults = join(directory, 'faults');
const LARGE = 1024 * MiB;
const began = performance.now();

const say = (text: string): void => console.log(`${Math.round((performance.now() - began) / 1000)} s: ${text}`);
const start = (): Promise<Driver> =>
  Driver.start({
    directory,
    pools: [{ name: 'r3', type: 'managed', replica: 3, bricks }],
    env: { KAYAL_FAULT_POINTS: faults },
    logLevel: 'info',
    readyMs: 120_000,
  });

let driver = await start();

/** How long the content took of it, in ms, as the driver's log says. */
async function copyMs(id: string): Promise<number> {
  const log = await readFile(driverPaths(directory).log, 'utf8');
  const line = log.split('\n').find((text) => text.includes('"copied"') && text.includes(`:"${id}"`)) ?? '{}';
  return (JSON.parse(line) as { ms?: number }).ms ?? Number.NaN;
}

/** What one small file takes that is made durable through the mount, in ms: this machine is many times slower than its host. */
let floor = Number.NaN;

/** Says how long it took, and in how many calls. */
const timed = async (what: string, id: string, call: () => Promise<unknown>): Promise<void> => {
  const since = performance.now();
  let calls = 0;
  await retried(() => {
    calls++;
    return call();
  });
  const ms = Math.round(performance.now() - since);
  say(
    `${what}: ${ms} ms (${(ms / floor).toFixed(1)} x) in ${calls} call${calls === 1 ? '' : 's'}, ${await copyMs(id)} ms of it for the content`,
  );
};
const takeSnapshot = (name: string, source: string) =>
  driver.client.controller.CreateSnapshot({ name, source_volume_id: source });
const clone = (name: string, sizeMiB: number, source: object) =>
  driver.client.controller.CreateVolume({ ...createRequest(name, { sizeMiB }), volume_content_source: source });
const ofVolume = (handle: string) => ({ volume: { volume_id: handle } });
const ofSnapshot = (handle: string) => ({ snapshot: { snapshot_id: handle } });

async function recordOf(
  id: string,
): Promise<{ path: string; content?: { sharedBytes?: string }; quota: { projectId: number } }> {
  const record: unknown = JSON.parse(await readFile(join(brick, recordPath(id)), 'utf8'));
  return record as Awaited<ReturnType<typeof recordOf>>;
}

/** Of all files of a directory, as they lie on each brick's own disk. */
const sums = (path: string, on = bricks): Promise<string[]> =>
  Promise.all(
    on.map((root) =>
      mustRun('bash', ['-c', 'find . -type f -print0 | sort -z | xargs -0 md5sum'], {
        cwd: join(root, path),
        timeoutMs: 240_000,
      }),
    ),
  );

const usedMiB = async (): Promise<number[]> => {
  const text = await mustRun('df', ['--output=used', '-m', ...mounts]);
  return text.trim().split('\n').slice(1).map(Number);
};

async function nothingToHeal(paths: readonly string[]): Promise<void> {
  await waitFor(
    'nothing to be healed',
    async () => {
      const lists = bricks.map((root) => mustRun('ls', [join(root, '.glusterfs/indices/xattrop')]));
      const waiting = (await Promise.all(lists))
        .flatMap((list) => list.split('\n'))
        .filter((name) => name !== '' && !name.startsWith('xattrop-'));
      return waiting.length === 0 ? true : undefined;
    },
    { timeoutMs: 90_000, intervalMs: 500 },
  );
  for (const root of bricks) {
    const marks = await mustRun('getfattr', ['-Rhd', '-m', 'trusted.afr', '-e', 'hex', ...paths], { cwd: root });
    assert.deepEqual(
      marks.split('\n').filter((line) => /=0x.*[1-9a-f]/.test(line)),
      [],
      `${root}: no marks of replication`,
    );
  }
}

async function largeFile(): Promise<void> {
  const source = await publishNew(driver, 'large', { sizeMiB: 1200 });
  const block = join(directory, 'block');
  await mustRun('dd', ['if=/dev/urandom', `of=${block}`, 'bs=1M', 'count=32', 'status=none']);
  const write = `for n in $(seq ${LARGE / (32 * MiB)}); do cat ${block}; done | dd of=${source.path}/file bs=1M iflag=fullblock conv=fsync status=none; sync`;
  await mustRun('bash', ['-c', write], { timeoutMs: 240_000 });
  await rm(block);
  say('1 GiB is written');
  floor = await durableFileMs(source.path);
  say(`1 x, a small file made durable through the mount: ${Math.round(floor)} ms`);
  const before = await usedMiB();
  await timed('snapshot of 1 GiB', 'large-snap', () => takeSnapshot('large-snap', source.handle));
  await timed('clone of 1 GiB', 'large-clone', () => clone('large-clone', 1200, ofVolume(source.handle)));
  await timed('volume from the snapshot of 1 GiB', 'large-restored', () =>
    clone('large-restored', 1300, ofSnapshot('r3/large-snap')),
  );
  await mustRun('sync', []);
  const after = await usedMiB();
  say(`used on the bricks: ${before.join(', ')} MiB before, ${after.join(', ')} MiB after`);
  for (const [index, used] of after.entries()) assert.ok(used - (before[index] ?? 0) < 16, 'no space is taken');
  const { path, content } = await recordOf('large-clone');
  assert.equal(content?.sharedBytes, String(LARGE), 'the record says that blocks are shared');
  for (const used of await usedOnBricks('large-clone'))
    assert.ok(used >= BigInt(LARGE), 'they count against its limit');
  const [original, ...copies] = [...(await sums((await recordOf('large')).path, [brick])), ...(await sums(path))];
  assert.deepEqual(
    copies,
    bricks.map(() => original),
    'all bricks have what was written',
  );
  await nothingToHeal([path, '.kayal/data/snapshots/large-snap']);
  await source.unpublish();
  for (const handle of [source.handle, 'r3/large-clone', 'r3/large-restored']) {
    await retried(() => driver.client.controller.DeleteVolume({ volume_id: handle }));
  }
  await retried(() => driver.client.controller.DeleteSnapshot({ snapshot_id: 'r3/large-snap' }));
}

async function usedOnBricks(id: string): Promise<bigint[]> {
  const { quota } = await recordOf(id);
  const used: bigint[] = [];
  for (const [number, root] of bricks.entries()) {
    const tree = await Tree.open(io, 'check', root);
    used.push((await getQuota(tree, brickProjectId(quota.projectId, number))).usedBytes);
    await tree.close();
  }
  return used;
}

async function limits(): Promise<void> {
  const source = await publishNew(driver, 'limited', { sizeMiB: 20 });
  await mustRun('dd', ['if=/dev/urandom', `of=${source.path}/file`, 'bs=1M', 'count=12', 'conv=fsync', 'status=none']);
  const copy = await publishNew(driver, 'limited-clone', { sizeMiB: 20 }, ofVolume(source.handle));
  assert.equal(await dfBytes(copy.path), 20 * MiB, 'df shows the limit of the clone');
  const dd = await runCommand('dd', ['if=/dev/zero', `of=${copy.path}/more`, 'bs=64k', 'count=256', 'conv=fsync']);
  assert.match(dd.stderr, /No space left on device|Disk quota exceeded/);
  for (const used of await usedOnBricks('limited-clone')) {
    assert.ok(used > BigInt(18 * MiB) && used <= BigInt(20 * MiB), `what is shared counts: ${used} bytes`);
  }
  say('a clone with 12 MiB of shared blocks and a limit of 20 MiB takes 8 MiB more');
  await copy.unpublish();
  await source.unpublish();
}

/** Written to by bursts: between them replication has nothing under way, so that sharing is tried, and often in vain. */
async function busy(): Promise<void> {
  const source = await publishNew(driver, 'busy', { sizeMiB: 64 });
  const names = ['a', 'b', 'c', 'd'];
  for (const name of names)
    await mustRun('dd', [
      'if=/dev/urandom',
      `of=${source.path}/${name}`,
      'bs=1M',
      'count=3',
      'conv=fsync',
      'status=none',
    ]);
  const over = new AbortController();
  const random = (below: number): number => Math.floor(Math.random() * below);
  let writes = 0;
  const write = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const file = await open(join(source.path, names[random(names.length)] ?? ''), 'r+');
      await file.write(Buffer.alloc(1 + random(200_000), writes++), 0, undefined, random(2 * MiB));
      await file.close();
      await sleep(random(60));
    }
  };
  const writing = [write(), write()];
  const made: string[] = [];
  try {
    for (let n = 0; n < 2; n++) {
      await retried(() => clone(`busy-${n}`, 64, ofVolume(source.handle)), 120_000);
      await retried(() => takeSnapshot(`busy-snap-${n}`, source.handle), 120_000);
      made.push((await recordOf(`busy-${n}`)).path, `.kayal/data/snapshots/busy-snap-${n}`);
    }
  } finally {
    over.abort();
    await Promise.all(writing);
  }
  for (const path of made) {
    const [first, ...others] = await sums(path);
    assert.deepEqual(others, [first, first], `${path} is the same on all bricks`);
  }
  await nothingToHeal(made);
  say(`${made.length} clones and snapshots during ${writes} writes are the same on all bricks`);
  await source.unpublish();
}

/** A brick is killed, then the driver, while files are cloned. */
async function killed(): Promise<void> {
  const source = await publishNew(driver, 'many', { sizeMiB: 128 });
  const write = 'for n in $(seq 16); do dd if=/dev/urandom of=f$n bs=1M count=2 conv=fsync status=none; done';
  await mustRun('bash', ['-c', write], { cwd: source.path, timeoutMs: 120_000 });
  const whole = await sums((await recordOf('many')).path);
  assert.equal(new Set(whole).size, 1);
  const pid = Number(await mustRun('pgrep', ['-f', `glusterfsd.*--brick-name ${bricks[1]}`]));
  const cloning = retried(() => clone('many-brick', 128, ofVolume(source.handle)), 120_000);
  await sleep(150);
  process.kill(pid, 'SIGKILL');
  await cloning;
  await nothingToHeal([(await recordOf('many-brick')).path]);
  assert.deepEqual(await sums((await recordOf('many-brick')).path), whole, 'a brick was killed');
  say('a brick killed while files are cloned: the clone is whole, on all bricks');
  await source.unpublish();
  await writeFile(faults, '100');
  await clone('many-driver', 128, ofVolume(source.handle)).catch(() => undefined);
  await waitFor('the driver to be killed', () => (driver.isRunning ? undefined : true));
  await rm(faults);
  driver.client.close();
  const half = (await recordOf('many-driver')) as { state?: string };
  assert.equal(half.state, 'creating', 'it was killed in the middle');
  driver = await start();
  await retried(() => clone('many-driver', 128, ofVolume(source.handle)), 120_000);
  assert.deepEqual(await sums((await recordOf('many-driver')).path), whole, 'it is finished after a restart');
  say('the driver killed while files are cloned: the clone is made again');
}

try {
  await mkdir(directory, { recursive: true });
  await largeFile();
  await limits();
  await busy();
  await killed();
  say('ALL AS IT SHOULD BE');
} catch (error) {
  say(await readFile(driverPaths(directory).log, 'utf8').then((text) => text.slice(-8000)));
  throw error;
} finally {
  await driver.stop();
  await io.close();
}
