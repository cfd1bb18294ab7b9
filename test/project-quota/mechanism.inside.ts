import { chown, link, mkdir, open, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KiB, MiB } from '../../src/base/units.js';
import { dataBricks, isArbiterBrick } from '../../src/gluster/volfile/group-shape.js';
import { IoWorkers } from '../../src/linux/io-workers.js';
import { getProject, getQuota } from '../../src/linux/project-quota.js';
import { quiet } from '../../src/linux/testing.js';
import { Tree } from '../../src/linux/tree.js';
import type { InodeLimits } from '../../src/quota/inode-limits.js';
import { ProjectMechanism } from '../../src/quota/project.js';
import { readUsage } from '../../src/quota/usage.js';
import { QuotaBench } from '../helpers/quota-bench.js';
import { bricksOfLayout, type TestLayout } from '../lib/layouts.js';
import { runCommand } from '../lib/run-command.js';
import { waitFor } from '../lib/wait.js';
import { xfsMounts } from './bricks.js';

const LIMIT = 20n * MiB;

/** Writes until the limit stops it, in small steps, and returns the bytes that the file got. */
async function fill(file: string): Promise<bigint> {
  const handle = await open(file, 'w');
  try {
    for (;;) await handle.write(Buffer.alloc(65_536));
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toMatch(/^(ENOSPC|EDQUOT)$/);
  } finally {
    await handle.close().catch(() => undefined);
  }
  const reread = await open(file, 'r');
  try {
    return BigInt((await reread.stat()).size);
  } finally {
    await reread.close();
  }
}

/** Makes files, 50 at the most, until one is refused. @returns how many there are */
async function fillWithFiles(directory: string, prefix = 'file'): Promise<number> {
  for (let made = 0; made < 50; made++) {
    try {
      await writeFile(join(directory, `${prefix}-${made}`), '');
    } catch (error) {
      expect((error as NodeJS.ErrnoException).code).toMatch(/^(ENOSPC|EDQUOT)$/);
      return made;
    }
  }
  return 50;
}

/** Every pool of one group has them. */
function inodesOf({ inodes }: ProjectMechanism): InodeLimits {
  if (inodes === undefined) throw new Error('no limits of inodes');
  return inodes;
}

describe('on a directory pool', () => {
  const io = new IoWorkers({ log: quiet });
  const [root] = xfsMounts();
  let tree: Tree;
  let mechanism: ProjectMechanism;

  beforeAll(async () => {
    await mkdir(join(root, 'pool'));
    tree = await Tree.open(io, 'pool', join(root, 'pool'));
    mechanism = new ProjectMechanism({ trees: [tree], seed: 'lagoon' });
  });
  afterAll(async () => {
    await tree.close();
    await io.close();
    await rm(join(root, 'pool'), { recursive: true });
  });

  it('is there, and not on a filesystem without it', async () => {
    await mechanism.probe();
    const elsewhere = await Tree.open(io, 'elsewhere', tmpdir());
    await expect(new ProjectMechanism({ trees: [tree, elsewhere], seed: '' }).probe()).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
    await elsewhere.close();
  });

  it('lets a volume take its limit and not a block more, in whatever directory', async () => {
    await tree.mkdirs('exact', 0o777);
    const projectId = await mechanism.allocate(new Set());
    await mechanism.set({ path: 'exact', projectId }, LIMIT);
    expect(await mechanism.get({ path: 'exact' })).toBe(LIMIT);
    expect(await fill(join(tree.root, 'exact', 'file'))).toBe(LIMIT);
    await rm(join(tree.root, 'exact', 'file'));
    await mkdir(join(tree.root, 'exact', 'a', 'b'), { recursive: true });
    expect(await getProject(tree, 'exact/a/b')).toBe(projectId);
    expect(await fill(join(tree.root, 'exact', 'a', 'b', 'file'))).toBe(LIMIT);
    const usage = await readUsage({ tree, target: { path: 'exact', projectId }, mechanism: 'project', local: true });
    expect(usage).toMatchObject({ total: LIMIT, used: LIMIT, available: 0n, inodes: { used: 4n } });
  });

  it('raises a limit at once', async () => {
    await tree.mkdirs('grows', 0o777);
    const projectId = await mechanism.allocate(new Set());
    await mechanism.set({ path: 'grows', projectId }, LIMIT);
    await fill(join(tree.root, 'grows', 'file'));
    await mechanism.set({ path: 'grows', projectId }, LIMIT + MiB);
    expect(await fill(join(tree.root, 'grows', 'file'))).toBe(LIMIT + MiB);
  });

  it('never gives out an id that something uses, and frees those of volumes that are gone', async () => {
    await tree.mkdirs('first', 0o777);
    const first = await mechanism.allocate(new Set());
    await mechanism.set({ path: 'first', projectId: first }, LIMIT);
    const second = await mechanism.allocate(new Set());
    expect(second).not.toBe(first);
    expect(await mechanism.allocate(new Set([second]))).not.toBe(second);
    await tree.removeTree('first');
    await mechanism.clear({ path: 'first', projectId: first });
    expect(await mechanism.get({ path: 'first', projectId: first })).toBeUndefined();
    // XFS frees the inodes of deleted files in the background.
    await waitFor('the id to be free again', async () =>
      (await mechanism.allocate(new Set())) === first ? true : undefined,
    );
  });

  it('refuses a directory that belongs to another project', async () => {
    await tree.mkdirs('taken', 0o777);
    const projectId = await mechanism.allocate(new Set());
    await mechanism.set({ path: 'taken', projectId }, LIMIT);
    await writeFile(join(tree.root, 'taken', 'file'), 'x');
    const other = await mechanism.allocate(new Set());
    await expect(mechanism.set({ path: 'taken', projectId: other }, LIMIT)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
  });

  it('does not stop a pod that moves its own files to another project: documented', async () => {
    await tree.mkdirs('tampered', 0o777);
    const projectId = await mechanism.allocate(new Set());
    await mechanism.set({ path: 'tampered', projectId }, LIMIT);
    const file = join(tree.root, 'tampered', 'file');
    await writeFile(file, Buffer.alloc(4096));
    await chown(file, 1000, 1000);
    await moveToProject0(file);
    expect((await getQuota(tree, projectId)).usedBytes).toBe(0n);
  });

  it('lets a volume have so many files and directories, shows them, and takes the limit away with the volume', async () => {
    await tree.mkdirs('counted', 0o777);
    const projectId = (await mechanism.allocate(new Set())) ?? 0;
    const target = { path: 'counted', projectId };
    await mechanism.set(target, LIMIT);
    await inodesOf(mechanism).set(target, 10n);
    expect(await inodesOf(mechanism).get({ path: 'counted' })).toBe(10n);
    const directory = join(tree.root, 'counted');
    expect(await fillWithFiles(directory)).toBe(9);
    expect(await readUsage({ tree, target, mechanism: 'project', local: true })).toMatchObject({
      total: LIMIT,
      inodes: { total: 10n, used: 10n, available: 0n },
    });
    // The other limit stays.
    await mechanism.set(target, LIMIT + MiB);
    expect(await inodesOf(mechanism).get(target)).toBe(10n);
    await inodesOf(mechanism).set(target, 12n);
    expect(await fillWithFiles(directory, 'more')).toBe(2);
    await inodesOf(mechanism).set(target, 0n);
    expect(await fillWithFiles(directory, 'free')).toBe(50);
    await inodesOf(mechanism).set(target, 12n);
    await tree.removeTree('counted');
    await mechanism.clear(target);
    expect((await getQuota(tree, projectId)).hardInodes).toBe(0n);
  });
});

/** What an unprivileged owner of a file may do, with a tool of Debian's xfsprogs. */
async function moveToProject0(file: string): Promise<void> {
  const args = ['--reuid=1000', '--regid=1000', '--clear-groups', 'xfs_io', '-c', 'chproj 0', basename(file)];
  // By its directory: uid 1000 could not come here by the path, as a run's directory is root's alone.
  const { code, stderr } = await runCommand('setpriv', args, { cwd: dirname(file) });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
}

describe.each([1, 3] as const)('on a managed pool, replica %d, all bricks on one XFS', (replica) => {
  const [, root] = xfsMounts();
  const bricks = Array.from({ length: replica }, (_, index) => join(root, `${replica}-${index}`, 'brick'));
  let bench: QuotaBench;
  let trees: readonly Tree[];
  let mechanism: ProjectMechanism;

  beforeAll(async () => {
    for (const brick of bricks) await mkdir(join(brick, '..'));
    bench = await QuotaBench.start({ quota: 'project', replica, bricks });
    trees = await Promise.all(bricks.map((brick) => Tree.open(bench.io, 'bricks', brick)));
    const [first, ...others] = trees;
    if (first === undefined) throw new Error('no bricks');
    mechanism = new ProjectMechanism({ trees: [first, ...others], seed: 'lagoon', writtenByRoot: true });
  });
  afterAll(async () => {
    for (const tree of trees) await tree.close();
    await bench.stop();
  });

  it('lets a volume take its limit and not a block more, and shows it in statfs', async () => {
    await mechanism.probe();
    const { path, directory } = await bench.addVolume(mechanism, LIMIT);
    expect((await bench.client.statfs(path)).total).toBe(LIMIT);
    await fill(join(directory, 'file'));
    for (const [number, brick] of bricks.entries()) {
      // Its size may be larger: of writes that were under way (write-behind) a smaller one may fit after one that did not.
      expect((await stat(join(brick, path, 'file'))).blocks * 512).toBeLessThanOrEqual(Number(LIMIT));
      const { usedBytes } = await quotaOf(path, number);
      // Of a file in many pieces, as when several bricks write to one disk, XFS also charges the block that lists them, and
      // does so after it has let the data in.
      expect(usedBytes).toBeLessThanOrEqual(LIMIT + 4n * KiB);
      // The client sends 128 KiB at a time, and of several bricks one may refuse what others took.
      expect(usedBytes).toBeGreaterThan(LIMIT - 256n * KiB);
    }
  });

  it('lets a volume have so many files through GlusterFS, and statfs shows them', async () => {
    const { path, directory } = await bench.addVolume(mechanism, LIMIT);
    const [first] = trees;
    // The first brick's id is the volume's.
    const target = { path, projectId: first && (await getProject(first, path)) };
    await inodesOf(mechanism).set(target, 10n);
    expect(await inodesOf(mechanism).get(target)).toBe(10n);
    expect(await fillWithFiles(directory)).toBe(9);
    const usage = await readUsage({ tree: bench.client, target, mechanism: 'project', local: false, inodeLimit: 10 });
    expect(usage).toMatchObject({ total: LIMIT, inodes: { total: 10n, used: 10n, available: 0n } });
    await inodesOf(mechanism).set(target, 0n);
    expect(await fillWithFiles(directory, 'free')).toBe(50);
  });

  it('keeps a pod from moving its files to another project', async () => {
    const { path, directory } = await bench.addVolume(mechanism, LIMIT);
    const file = join(directory, 'file');
    await writeFile(file, Buffer.alloc(4096));
    await chown(file, 1000, 1000);
    const args = ['--reuid=1000', '--regid=1000', '--clear-groups', 'xfs_io', '-c', 'chproj 0', file];
    await runCommand('setpriv', args);
    await link(file, join(directory, 'again'));
    expect((await quotaOf(path, 0)).usedBytes).toBe(4096n);
  });

  it('puts a directory that healing made anew, with its content, back into its project', async () => {
    const path = 'volumes/healed';
    await bench.control.mkdirs(path, 0o777);
    await mkdir(join(bench.client.root, path, 'directory'));
    await writeFile(join(bench.client.root, path, 'directory', 'file'), Buffer.alloc(65_536));
    await mechanism.set({ path, projectId: 70_000 }, LIMIT);
    // Not exactly that: XFS allocates space past the end of a file that grows.
    for (const number of trees.keys()) expect((await quotaOf(path, number)).usedBytes).toBeGreaterThanOrEqual(65_536n);
  });

  async function quotaOf(path: string, number: number): ReturnType<typeof getQuota> {
    const tree = trees[number];
    if (tree === undefined) throw new Error(`no brick ${number}`);
    return getQuota(tree, await getProject(tree, path));
  }
});

/** As `fill`, of a file that may be refused because the volume is full already. */
async function fillIfMade(file: string): Promise<bigint> {
  try {
    await writeFile(file, '');
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toMatch(/^(ENOSPC|EDQUOT)$/);
    return 0n;
  }
  await fill(file);
  // Not its size: of writes that were under way (write-behind) a smaller one may fit after one that did not.
  return BigInt((await stat(file)).blocks) * 512n;
}

const DIVIDED = [
  { name: 'arbiter', keys: { replica: 2, arbiter: 1 }, groups: 1 },
  { name: 'disperse', keys: { disperse: { data: 2, redundancy: 1 } }, groups: 1 },
  { name: 'distributed', keys: { replica: 1 }, groups: 2 },
] satisfies TestLayout[];

describe.each(DIVIDED)('on a managed pool, $name, all bricks on one XFS', (layout) => {
  const [, root] = xfsMounts();
  const { shape, count } = bricksOfLayout(layout);
  const bricks = Array.from({ length: count }, (_, index) => join(root, `${layout.name}-${index}`));
  let bench: QuotaBench;
  let trees: readonly Tree[];
  let mechanism: ProjectMechanism;

  beforeAll(async () => {
    bench = await QuotaBench.start({ quota: 'project', bricks, ...layout.keys });
    trees = await Promise.all(bricks.map((brick) => Tree.open(bench.io, 'bricks', brick)));
    const [first, ...others] = trees;
    if (first === undefined) throw new Error('no bricks');
    mechanism = new ProjectMechanism({
      trees: [first, ...others],
      seed: layout.name,
      writtenByRoot: true,
      groups: layout.groups,
      dataBricks: dataBricks(shape),
      holdsData: (index) => !isArbiterBrick(shape, index),
    });
  });
  afterAll(async () => {
    for (const tree of trees) await tree.close();
    await bench.stop();
  });

  it('divides a limit among its bricks, shows the whole of it, and lets no volume have more', async () => {
    const { path, directory } = await bench.addVolume(mechanism, LIMIT);
    expect(await mechanism.get({ path })).toBe(LIMIT);
    expect((await bench.client.statfs(path)).total).toBe(LIMIT);
    const sizes = [];
    for (let number = 0; number < 8; number++) sizes.push(await fillIfMade(join(directory, `file-${number}`)));
    const written = sizes.reduce((sum, size) => sum + size, 0n);
    expect(written).toBeLessThanOrEqual(LIMIT);
    // With two groups a file has no more than the half of it.
    const most = LIMIT / BigInt(layout.groups);
    const [largest = 0n] = sizes.toSorted((a, b) => Number(b - a));
    expect(largest).toBeLessThanOrEqual(most);
    expect(largest).toBeGreaterThan(most - 512n * KiB);
    expect(written).toBeGreaterThan(LIMIT - MiB);
    expect(mechanism.inodes === undefined).toBe(layout.groups > 1);
  });

  it('counts its capacity once, whatever lies on one disk', async () => {
    const { total } = await bench.client.statfs('');
    const [disk] = await Promise.all(trees.slice(0, 1).map((tree) => tree.statfs('')));
    const copies = BigInt(mechanism.copiesOnOneFilesystem);
    const perByte = layout.name === 'arbiter' ? 2 : layout.name === 'disperse' ? 1.5 : 1;
    expect(Number(total / copies) / Number(disk?.total)).toBeCloseTo(1 / perByte, 1);
  });
});
