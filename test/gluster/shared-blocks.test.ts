import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ManagedPool } from '../../src/gluster/managed-pool.js';
import { BrickLinks } from '../../src/linux/brick-links.js';
import { copyTree, type CopyProgress } from '../../src/linux/copy-tree.js';
import { Tree } from '../../src/linux/tree.js';
import { loopDirectory, type LoopDirectory } from '../lib/loop-directory.js';
import { PoolBench } from '../lib/managed-pool.js';
import { mustRun, runCommand } from '../lib/run-command.js';
import { sleep, waitFor } from '../lib/wait.js';

const MiB = 1024 * 1024;
const POOL = 'p';

/** Copies whose files share blocks on the bricks: three of XFS, here without limits, which the kernel may lack. */
const MOST_COPIES = 15;

describe('sharing blocks on the bricks of a replicated pool', { timeout: 300_000 }, () => {
  let bench: PoolBench;
  let pool: ManagedPool;
  let loops: LoopDirectory[];
  let bricks: string[];
  let tree: Tree;
  let links: BrickLinks;
  let client: string;
  let copies = 0;

  beforeAll(async () => {
    const directory = await mkdtemp(join(tmpdir(), 'sb-'));
    bench = new PoolBench(directory);
    loops = [];
    for (const number of [1, 2, 3]) loops.push(await loopDirectory(directory, `xfs-${number}`, 700, 'xfs'));
    bricks = loops.map(({ path }) => join(path, 'brick'));
    pool = await bench.start({ name: POOL, replica: 3, bricks });
    client = (await bench.mount(pool)).path;
    tree = await Tree.open(bench.io, POOL, (await bench.mount(pool, true)).path);
    links = new BrickLinks({ pool: POOL, io: bench.io, log: bench.log, places: async () => pool.brickPlaces() });
  });

  afterAll(async () => {
    await tree?.close();
    await bench?.stopAll();
    for (const loop of loops ?? []) await loop.remove();
  });

  /** Copies a directory as a snapshot is taken. */
  const copy = async (source: string): Promise<{ path: string; progress: CopyProgress }> => {
    const path = `copy-${++copies}`;
    await tree.mkdir(path, 0o700);
    const progress = await copyTree({
      source: { tree, path: source },
      target: { tree, path },
      bricks: await links.get(),
      check: () => undefined,
    });
    return { path, progress };
  };

  const sumsOn = (root: string, path: string): Promise<string> =>
    mustRun('bash', ['-c', 'find . -type f -print0 | sort -z | xargs -0 sha256sum'], { cwd: join(root, path) });

  /** What the files of a directory are on each brick's own disk. */
  const sums = async (path: string): Promise<readonly string[]> =>
    Promise.all(bricks.map((brick) => sumsOn(brick, path)));

  const usedMiB = async (): Promise<number[]> => {
    const out = await mustRun('df', ['--output=used', '-m', ...loops.map(({ path }) => path)]);
    return out.trim().split('\n').slice(1).map(Number);
  };

  /** No mark of replication that is not zero on anything below, and nothing in the index of what has to be healed. */
  const expectNothingToHeal = async (path: string): Promise<void> => {
    const marks = async (): Promise<string[]> => {
      const of = (brick: string) =>
        mustRun('getfattr', ['-Rhd', '-m', 'trusted.afr', '-e', 'hex', path], { cwd: brick });
      const found = (await Promise.all(bricks.map(of))).join('\n').split('\n');
      return found.filter((line) => /=0x.*[1-9a-f]/.test(line));
    };
    const isWhole = async () => ((await pool.pendingHeals()) === 0 && (await marks()).length === 0 ? true : undefined);
    await waitFor('nothing to be healed', isWhole, { timeoutMs: 90_000, intervalMs: 500 });
  };

  const write = async (path: string, mib: number): Promise<void> => {
    await mustRun('dd', ['if=/dev/urandom', `of=${path}`, 'bs=1M', `count=${mib}`, 'conv=fsync', 'status=none']);
  };

  it('takes no space and hardly any time, and keeps all that belongs to the files', async () => {
    await mkdir(join(client, 'source'));
    await write(join(client, 'source/large'), 200);
    const script = `
      set -e
      dd if=/dev/urandom of=odd bs=1000 count=5001 status=none; dd if=/dev/urandom of=sparse bs=4096 count=300 seek=9000 status=none
      truncate -s 60000001 sparse; head -c 3000000 /dev/urandom > linked; mkdir sub; ln linked sub/again; echo small > small; ln small sub/tiny
      chown 1000:2000 odd; chmod 4750 odd; setfattr -n user.a -v b odd; touch -d 2001-02-03T04:05:06.789 odd; touch -d 1999-01-01 sub
      sync -f .`;
    await mustRun('bash', ['-c', script], { cwd: join(client, 'source') });
    await mustRun('sync', []);
    const before = await usedMiB();
    const began = performance.now();
    const { path, progress } = await copy('source');
    const ms = performance.now() - began;
    await mustRun('sync', []);
    const after = await usedMiB();
    console.log(
      `shared ${Number(progress.cloned) / MiB} MiB in ${Math.round(ms)} ms; used by bricks: ${before.join(', ')} -> ${after.join(', ')} MiB`,
    );
    expect(progress).toMatchObject({ changed: 0, lost: 0, unshared: undefined });
    expect(Number(progress.cloned)).toBeGreaterThan(200 * MiB);
    expect(Number(progress.cloned)).toBeLessThan(215 * MiB);
    for (const [index, used] of after.entries()) expect(used - (before[index] ?? 0)).toBeLessThan(5);
    const describeTree =
      "find . -printf '%p %y %m %U %G %n %s %T@\\n' | sed -E 's/^(\\S+ d( \\S+){4}) [0-9]+/\\1/' | sort; getfattr -d odd";
    const described = (at: string) => mustRun('bash', ['-c', describeTree], { cwd: join(client, at) });
    await sleep(1_100);
    expect(await described(path)).toBe(await described('source'));
    const original = await sumsOn(client, 'source');
    expect(original.split('\n')).toHaveLength(8);
    expect(await sums(path)).toEqual(bricks.map(() => original));
    expect(await sumsOn(client, path)).toBe(original);
    await expectNothingToHeal(path);
    // Neither sees what is written to the other.
    await writeFile(join(client, path, 'odd'), 'changed');
    expect(await sumsOn(client, 'source')).toBe(original);
    for (const made of ['source', path]) await rm(join(client, made), { recursive: true });
  });

  it('shares the blocks of a file that is too large for one call', async () => {
    await mkdir(join(client, 'huge'));
    const script =
      'head -c 1M /dev/urandom > file; truncate -s 2200M file; head -c 1M /dev/urandom >> file; sync -f file';
    await mustRun('bash', ['-c', script], { cwd: join(client, 'huge') });
    const { path, progress } = await copy('huge');
    expect(progress).toMatchObject({ written: 0n, unshared: undefined });
    // XFS allocates some space past the end of what grows.
    expect(Number(progress.cloned) / MiB).toBeGreaterThanOrEqual(2);
    expect(Number(progress.cloned) / MiB).toBeLessThan(16);
    const ends = 'stat -c %s file; { head -c 2M file; tail -c 2M file; } | sha256sum';
    const of = (root: string, at: string) => mustRun('bash', ['-c', ends], { cwd: join(root, at) });
    const original = await of(client, 'huge');
    expect(original).toContain(`${2201 * MiB}\n`);
    for (const root of [client, ...bricks]) expect(await of(root, path)).toBe(original);
    await expectNothingToHeal(path);
    for (const made of ['huge', path]) await rm(join(client, made), { recursive: true });
  });

  it('makes no copies that differ while the source is written to all the while', async () => {
    const files = Array.from({ length: 6 }, (_, number) => `f${number}`);
    await mkdir(join(client, 'busy'));
    for (const file of files) await write(join(client, 'busy', file), 3);
    const over = new AbortController();
    let writes = 0;
    const random = (below: number): number => Math.floor(Math.random() * below);
    const writer = async (): Promise<void> => {
      while (!over.signal.aborted) {
        const file = await open(join(client, 'busy', files[random(files.length)] ?? ''), 'r+');
        for (let count = 1 + random(4); count > 0; count--, writes++) {
          await file.write(Buffer.alloc(1 + random(200_000), writes), 0, undefined, random(3 * MiB));
        }
        await file.close();
        // Replication has taken its mark away when this returns, and there is time for a copy to begin before the next write.
        await sleep(random(25));
      }
    };
    const writing = [writer(), writer()];
    let shared = 0n;
    let copied = 0n;
    const made: string[] = [];
    try {
      // Each copy takes room of its own for what was written meanwhile.
      for (const until = performance.now() + 25_000; performance.now() < until && made.length < MOST_COPIES;) {
        const { path, progress } = await copy('busy');
        expect(progress.unshared).toBeUndefined();
        shared += progress.cloned;
        copied += progress.written;
        made.push(path);
      }
    } finally {
      over.abort();
      await Promise.all(writing);
    }
    for (const path of made) {
      const [first, ...others] = await sums(path);
      expect({ path, others }).toEqual({ path, others: [first, first] });
    }
    await expectNothingToHeal('.');
    for (const path of ['busy', ...made]) await rm(join(client, path), { recursive: true });
    const mib = (bytes: bigint): number => Math.round(Number(bytes) / MiB);
    console.log(`${made.length} copies during ${writes} writes: ${mib(shared)} MiB shared, ${mib(copied)} MiB copied`);
    expect(shared).toBeGreaterThan(0n);
    expect(writes).toBeGreaterThan(100);
  });

  it('copies a file whose replicas are not at rest, and those that were made differ in nothing', async () => {
    await mkdir(join(client, 'marked'));
    await write(join(client, 'marked/file'), 3);
    const [brick = ''] = bricks;
    await mustRun('setfattr', [
      '-n',
      'trusted.afr.dirty',
      '-v',
      '0x000000010000000000000000',
      join(brick, 'marked/file'),
    ]);
    const { path, progress } = await copy('marked');
    expect([progress.cloned, Number(progress.written)]).toEqual([0n, 3 * MiB]);
    expect(new Set(await sums(path)).size).toBe(1);
    await rm(join(client, 'marked'), { recursive: true });
  });

  it('copies when a brick is away, also when it goes in the middle, and what it missed is healed', async () => {
    await mkdir(join(client, 'many'));
    for (let number = 0; number < 30; number++) await write(join(client, 'many', `f${number}`), 2);
    const original = await sumsOn(client, 'many');
    const victim = pool.bricks()[1]?.pid ?? 0;
    const began = copy('many');
    await waitFor(
      'some files to be copied',
      async () => {
        const found = await runCommand('find', [join(bricks[0] ?? '', `copy-${copies}`), '-type', 'f', '-size', '+1M']);
        return found.stdout.split('\n').length > 4 ? true : undefined;
      },
      { intervalMs: 5 },
    );
    process.kill(victim, 'SIGKILL');
    const { path, progress } = await began;
    console.log(
      `a brick killed: ${Number(progress.cloned) / MiB} MiB shared, ${Number(progress.written) / MiB} MiB copied (${progress.unshared})`,
    );
    expect(await sumsOn(client, path)).toBe(original);
    const { path: second } = await copy('many');
    expect(await sumsOn(client, second)).toBe(original);
    await waitFor('the brick to be back', () => (pool.bricks().every(({ up }) => up) ? true : undefined));
    await expectNothingToHeal('.');
    for (const copied of [path, second]) expect(await sums(copied)).toEqual(bricks.map(() => original));
    await waitFor('blocks to be shared again', async () => {
      const again = await copy('many');
      return again.progress.unshared === undefined && again.progress.cloned > 0n ? true : undefined;
    });
  });
});
