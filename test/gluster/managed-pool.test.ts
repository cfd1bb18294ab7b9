import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GlusterClient } from '../../src/gluster/client.js';
import type { BrickStatus, ManagedPool } from '../../src/gluster/managed-pool.js';
import { readPidFile } from '../../src/gluster/pid-file.js';
import { readMountinfo } from '../../src/linux/mountinfo.js';
import { describeLeftovers, findLeftovers, removeLeftovers } from '../lib/leftovers.js';
import { PoolBench, setQuotaLimit, writeMiB, type PoolWish } from '../lib/managed-pool.js';
import { sleep, waitFor } from '../lib/wait.js';

const MiB = 1024n * 1024n;
const timings: string[] = [];

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const started = performance.now();
  const result = await work();
  timings.push(`${what}: ${Math.round(performance.now() - started)} ms`);
  return result;
}

function pidOf(pool: ManagedPool, index: number): number {
  const pid = pool.bricks()[index]?.pid;
  if (pid === undefined) throw new Error(`brick ${index} does not run`);
  return pid;
}

async function restarted(pool: ManagedPool, index: number, oldPid: number): Promise<BrickStatus> {
  return waitFor(
    'the brick to be up again',
    () => pool.bricks().find((brick, at) => at === index && brick.up && brick.pid !== oldPid),
    { intervalMs: 5 },
  );
}

async function quotadOf(directory: string): Promise<number> {
  return waitFor('quotad', async () => (await readPidFile(join(directory, 'quotad.pid')))?.pid, { intervalMs: 5 });
}

async function anotherQuotad(directory: string, old: number): Promise<number> {
  return waitFor(
    'a new quotad',
    async () => {
      const pid = await quotadOf(directory);
      return pid === old ? undefined : pid;
    },
    { intervalMs: 5 },
  );
}

describe('managed pool', () => {
  let bench: PoolBench;

  beforeEach(async () => {
    bench = new PoolBench(await mkdtemp(join(tmpdir(), 'pool-')));
  });

  afterEach(async ({ task }) => {
    const { directory } = bench;
    try {
      await bench.stopAll();
      expect(describeLeftovers(await findLeftovers(directory))).toEqual([]);
    } finally {
      if (task.result?.state === 'fail') console.log(bench.lines.join('\n'));
      await removeLeftovers(directory);
      await rm(directory, { recursive: true, force: true });
    }
  });

  afterAll(() => console.log(timings.join('\n')));

  it.each([1, 3] as const)(
    'replica %i comes up, keeps data over the death of a brick and leaves nothing',
    async (replica) => {
      const pool = await timed(`start of replica ${replica}`, () => bench.start({ name: 'plain', replica }));
      expect(pool.bricks().map(({ up }) => up)).toEqual(Array.from({ length: replica }, () => true));
      const { client, path } = await timed(`mount of replica ${replica}`, () => bench.mount(pool));
      await writeFile(join(path, 'before'), 'kept');

      const oldPid = pidOf(pool, 0);
      process.kill(oldPid, 'SIGKILL');
      await timed(`restart of a brick of replica ${replica}`, () => restarted(pool, 0, oldPid));
      const content = await timed(`first read after it, replica ${replica}`, () =>
        waitFor('the file', () => readFile(join(path, 'before'), 'utf8').catch(() => undefined)),
      );
      expect(content).toBe('kept');
      await waitFor('a write', () =>
        writeFile(join(path, 'after'), 'x').then(
          () => true,
          () => undefined,
        ),
      );

      const state = bench.state('plain');
      for (const name of ['client.vol', 'control.vol', 'brick-0.vol', 'log/brick-0.log', 'identity.json']) {
        expect([name, ((await stat(join(state, name))).mode & 0o777).toString(8)]).toEqual([name, '600']);
      }
      await timed(`unmount of replica ${replica}`, () => client.stop());
      await timed(`stop of replica ${replica}`, () => pool.stop());
      expect((await readdir(state)).sort()).toEqual(['identity.json', 'log']);

      const again = await timed(`second start of replica ${replica}`, () => bench.start({ name: 'plain', replica }));
      expect(again.layout).toEqual(pool.layout);
      expect(await readFile(join((await bench.mount(again)).path, 'before'), 'utf8')).toBe('kept');
    },
  );

  it('goes on without a brick whose disk is gone, takes it back and heals it', async () => {
    const pool = await bench.start({ name: 'heal', replica: 3 });
    const { path } = await bench.mount(pool);
    const brick = pool.bricks()[2]?.path ?? '';
    await rename(brick, `${brick}.away`);
    await mkdir(brick);
    process.kill(pidOf(pool, 2), 'SIGKILL');
    await waitFor('the reason', () => (/is its disk mounted/.test(pool.bricks()[2]?.reason ?? '') ? true : undefined));
    for (let number = 0; number < 20; number++) await writeFile(join(path, `file-${number}`), 'content');
    expect(await pool.pendingHeals()).toBeGreaterThan(0);
    expect((await readdir(brick)).length).toBe(0);

    await rm(brick, { recursive: true });
    await rename(`${brick}.away`, brick);
    await timed('a brick that is back is up', () => restarted(pool, 2, 0));
    await timed('healed', () =>
      waitFor('the heal', async () => ((await pool.pendingHeals()) === 0 ? true : undefined)),
    );
    expect(await readFile(join(brick, 'file-19'), 'utf8')).toBe('content');
  });

  it('is adopted by the next driver when the driver is killed', async () => {
    const wish: PoolWish = { name: 'orphan', replica: 1, quota: 'gluster' };
    const script = fileURLToPath(new URL('managed-pool-driver.ts', import.meta.url));
    const driver: ChildProcess = spawn(
      process.execPath,
      ['--import', 'tsx', script, bench.directory, JSON.stringify(wish)],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    const [line] = (await once(driver.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
    const first = JSON.parse(line.toString()) as { bricks: BrickStatus[]; client: number };
    await expect(bench.start(wish)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining(`"pid":${driver.pid}`) as string,
    });

    driver.kill('SIGKILL');
    await once(driver, 'exit');
    const pool = await timed('start that adopts', () => bench.start(wish));
    expect(pool.bricks()).toEqual(first.bricks);
    const { client, path } = await bench.mount(pool);
    expect(client.pid).toBe(first.client);
    await writeFile(join(path, 'file'), 'x');

    const oldPid = pidOf(pool, 0);
    const oldQuotad = await quotadOf(bench.state('orphan'));
    process.kill(oldPid, 'SIGKILL');
    process.kill(oldQuotad, 'SIGKILL');
    await Promise.all([
      timed('restart of an adopted brick', () => restarted(pool, 0, oldPid)),
      timed('restart of an adopted quotad', () => anotherQuotad(bench.state('orphan'), oldQuotad)),
    ]);
    // Their namespaces were made while the client was mounted, and must not hold on to its mount: it would be killed after 5 s.
    const started = performance.now();
    await client.stop();
    expect(performance.now() - started).toBeLessThan(4_500);
  });

  it('restarts what runs with an old volfile when the configuration changed, and leaves the rest', async () => {
    const wish: PoolWish = { name: 'changed', replica: 1, quota: 'gluster' };
    const first = await bench.start(wish);
    const [oldPid, oldQuotad] = [pidOf(first, 0), await quotadOf(bench.state('changed'))];
    await first.release();
    const same = await bench.start(wish);
    expect(pidOf(same, 0)).toBe(oldPid);
    await same.release();
    const changed = await bench.start({ ...wish, profile: 'large-volumes' });
    await restarted(changed, 0, oldPid);
    expect(await quotadOf(bench.state('changed'))).toBe(oldQuotad);
    expect(await readFile(join(bench.state('changed'), 'brick-0.vol'), 'utf8')).toContain('option soft-timeout 1\n');
  });

  it('keeps the limits of two pools at once, and writers survive the death of quotad', async () => {
    const wishes: PoolWish[] = [
      { name: 'one', replica: 1, quota: 'gluster' },
      { name: 'three', replica: 3, quota: 'gluster' },
    ];
    for (const wish of wishes) {
      const pool = await timed(`start of replica ${wish.replica} with quota`, () => bench.start(wish));
      const control = await bench.mount(pool, true);
      await bench.mount(pool);
      await mkdir(join(control.path, 'volume'), { mode: 0o777 });
      await setQuotaLimit(join(control.path, 'volume'), 32n * MiB);
    }
    await Promise.all(
      wishes.map(async ({ name }) => {
        const volume = join(bench.mountPoint(name), 'volume');
        const small = await writeMiB(join(volume, 'small'), 8);
        expect(small).toMatchObject({ ok: true });
        const quotad = await quotadOf(bench.state(name));
        const writer = timed(`writer of ${name} over the death of quotad`, () => writeMiB(join(volume, 'during'), 16));
        await sleep(50);
        process.kill(quotad, 'SIGKILL');
        await timed(`restart of quotad of ${name}`, () => anotherQuotad(bench.state(name), quotad));
        expect(await writer).toMatchObject({ ok: true });
        const full = await writeMiB(join(volume, 'large'), 64);
        expect(full).toMatchObject({
          ok: false,
          stderr: expect.stringMatching(/quota exceeded|No space left/i) as string,
        });
      }),
    );
  });

  it('knows its bricks without its state directory, and refuses what they are not', async () => {
    const bricks = [0, 1, 2].map((index) => join(bench.directory, 'bricks', `own-${index}`));
    const wish: PoolWish = { name: 'own', replica: 3, bricks };
    const pool = await bench.start(wish);
    await writeFile(join((await bench.mount(pool)).path, 'file'), 'x');
    await bench.stopClients();
    await pool.stop();
    await rm(bench.state('own'), { recursive: true });

    const refused = async (change: Partial<PoolWish>, code: string, message: RegExp): Promise<void> => {
      await expect(bench.start({ ...wish, ...change })).rejects.toMatchObject({
        code,
        message: expect.stringMatching(message) as string,
      });
      expect(describeLeftovers(await findLeftovers(bench.directory))).toEqual([]);
    };
    await refused(
      { bricks: [bricks[1] ?? '', bricks[0] ?? '', bricks[2] ?? ''] },
      'FAILED_PRECONDITION',
      /is brick 1 of the pool.*back in their order/,
    );
    await refused({ name: 'other' }, 'FAILED_PRECONDITION', /is a brick of pool own/);
    await refused({ quota: 'gluster' }, 'FAILED_PRECONDITION', /was made for quota none/);
    await refused({ replica: 1, bricks: bricks.slice(0, 1) }, 'FAILED_PRECONDITION', /pool of 3 bricks/);
    await refused(
      { name: 'fresh', bricks: [0, 1, 2].map((index) => join(bench.directory, 'bricks', 'no', `${index}`)) },
      'FAILED_PRECONDITION',
      /parent directory/,
    );
    await mkdir(join(bench.directory, 'bricks', 'used'));
    await writeFile(join(bench.directory, 'bricks', 'used', 'file'), '');
    await refused(
      { name: 'used', replica: 1, bricks: [join(bench.directory, 'bricks', 'used')] },
      'FAILED_PRECONDITION',
      /holds files that are not a brick/,
    );
    await rename(bricks[0] ?? '', `${bricks[0]}.away`);
    await rename(bricks[1] ?? '', `${bricks[1]}.away`);
    await refused({}, 'UNAVAILABLE', /is missing.*is its disk mounted/);
    await rename(`${bricks[0]}.away`, bricks[0] ?? '');
    await rename(`${bricks[1]}.away`, bricks[1] ?? '');

    const again = await bench.start(wish);
    expect(again.layout.volumeId).toBe(pool.layout.volumeId);
    expect(again.layout.credentials).not.toEqual(pool.layout.credentials);
    expect(await readFile(join((await bench.mount(again)).path, 'file'), 'utf8')).toBe('x');
  });

  it('says why a client does not work, and never mounts one on a dead one', async () => {
    const pool = await bench.start({ name: 'access', replica: 1 });
    const volfile = join(bench.directory, 'wrong.vol');
    await mkdir(bench.mountPoint('refused'), { recursive: true });
    await writeFile(
      volfile,
      (await readFile(pool.clientVolfile, 'utf8')).replace(pool.layout.credentials.password, 'guessed'),
    );
    const start = (
      name: string,
      source: Parameters<typeof GlusterClient.start>[0]['source'],
      timeoutMs = 20_000,
    ): Promise<GlusterClient> =>
      GlusterClient.start({
        name,
        mountPoint: bench.mountPoint('refused'),
        directory: join(bench.directory, name),
        source,
        options: {},
        control: false,
        log: bench.log,
        io: bench.io,
        timeoutMs,
      });
    const failing = async (what: string, attempt: Promise<GlusterClient>, message: RegExp): Promise<void> => {
      await timed(`client: ${what}`, () =>
        expect(attempt).rejects.toMatchObject({
          code: 'UNAVAILABLE',
          message: expect.stringMatching(message) as string,
        }),
      );
    };
    await failing(
      'wrong password',
      start('wrong', { kind: 'volfile', path: volfile }),
      /refused its credentials; exited with 15/,
    );
    await failing(
      'no glusterd',
      start('nobody', { kind: 'servers', hosts: ['127.0.0.9'], volume: 'none' }),
      /127\.0\.0\.9/,
    );
    await failing(
      'unknown name',
      start('unknown', { kind: 'servers', hosts: ['no-such-host.invalid'], volume: 'none' }),
      /no-such-host\.invalid/,
    );
    const [brick] = pool.bricks();
    process.kill(brick?.pid ?? 0, 'SIGSTOP');
    try {
      await failing(
        'silent brick',
        start('silent', { kind: 'volfile', path: pool.clientVolfile }, 1_500),
        /no answer within 1.5 s/,
      );
    } finally {
      process.kill(brick?.pid ?? 0, 'SIGCONT');
    }

    const { client, path } = await bench.mount(pool);
    process.kill(client.pid, 'SIGKILL');
    await waitFor('its end', () => (client.alive() ? undefined : true));
    const second = await timed('replacement of a dead client', () => bench.mount(pool));
    expect(second.client.pid).not.toBe(client.pid);
    expect((await readMountinfo()).filter(({ target }) => target === path)).toHaveLength(1);
  });
});
