import { execFile } from 'node:child_process';
import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { GlusterMechanism } from '../../src/quota/gluster.js';
import { NodeBench, capability, type BenchOptions } from '../lib/node-bench.js';
import { sleep, waitFor } from '../lib/wait.js';

const run = promisify(execFile);

describe('client mounts of a node', () => {
  let bench: NodeBench;
  const open = async (options: BenchOptions): Promise<NodeBench> => {
    bench = await NodeBench.create(options);
    return bench;
  };
  afterEach(async () => {
    await bench.close();
  });

  const clientPid = async (): Promise<number> => {
    const text = await readFile(join(bench.directory, 'client', bench.pool.name, 'client.pid'), 'utf8');
    return (JSON.parse(text) as { pid: number }).pid;
  };
  const clientMounts = () => bench.mountsAt(bench.pools.mountPointOf(bench.pool.name));
  const clientGone = () =>
    waitFor('the client mount to go', async () => ((await clientMounts()).length === 0 ? true : undefined));

  it('go some time after the last publish, not before, and not while pods come and go', async () => {
    const { release } = await open({ type: 'managed', graceMs: 1_500 });
    const { handle } = await bench.addVolume('a');
    const target = bench.target('one');
    await bench.stage(handle);
    await bench.publish(handle, { target });
    const pid = await clientPid();
    await sleep(2_000);
    expect(await clientMounts()).toHaveLength(1);
    for (let i = 0; i < 5; i++) {
      await bench.unpublish(handle, target);
      await sleep(100);
      await bench.publish(handle, { target });
    }
    expect(await clientPid()).toBe(pid);
    await bench.unpublish(handle, target);
    await bench.unstage(handle);
    expect(await clientMounts()).toHaveLength(1);
    await clientGone();
    expect(bench.pools.state(bench.pool.name)).toEqual({ state: 'absent' });
    await bench.publish(handle, { target });
    expect(await clientPid()).not.toBe(pid);
    await bench.unpublish(handle, target);
    release.close();
  });

  it('survive the role, and are looked after by the next one', async () => {
    await open({ type: 'managed', graceMs: 200 });
    const { handle } = await bench.addVolume('a');
    const target = bench.target('one');
    await bench.publish(handle, { target });
    const pid = await clientPid();
    bench.restart();
    await bench.release.adopt();
    await sleep(500);
    await bench.publish(handle, { target });
    expect(await bench.mountsAt(target)).toHaveLength(1);
    expect(await clientPid()).toBe(pid);
    await bench.unpublish(handle, target);
    bench.restart();
    await bench.release.adopt();
    await clientGone();
  });

  it('that died: stats say so at once, the next publish starts a new one, and repairs its own target', async () => {
    await open({ type: 'managed' });
    const { handle } = await bench.addVolume('a');
    const [one, two] = [bench.target('one'), bench.target('two')];
    await bench.publish(handle, { target: one });
    process.kill(await clientPid(), 'SIGKILL');
    await expect(stat(one)).rejects.toThrow(/ENOTCONN|ECONNABORTED/);
    const started = performance.now();
    const stats = await bench.stats(handle, one);
    expect(stats.volume_condition).toMatchObject({ abnormal: true });
    expect(performance.now() - started).toBeLessThan(14_000);
    // The client may not be known to be gone yet; kubelet asks again.
    await waitFor('the new client', () =>
      bench.publish(handle, { target: two }).then(
        () => true,
        () => undefined,
      ),
    );
    await writeFile(join(two, 'file'), 'x');
    const again = await bench.stats(handle, one);
    expect(again.volume_condition?.message).toMatch(/client that is gone.*restart the pod/);
    expect((await bench.stats(handle, two)).volume_condition).toMatchObject({ abnormal: false });
    const once = capability('SINGLE_NODE_SINGLE_WRITER');
    const third = bench.publish(handle, { target: bench.target('three'), capability: once });
    await expect(third).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    await bench.publish(handle, { target: one });
    expect(await bench.mountsAt(one)).toHaveLength(1);
    expect(await readFile(join(one, 'file'), 'utf8')).toBe('x');
    await bench.unpublish(handle, one);
    await bench.unpublish(handle, two);
  });

  it('that died: a dead target is unpublished without a client', async () => {
    await open({ type: 'managed' });
    const { handle } = await bench.addVolume('a');
    const target = bench.target('one');
    await bench.publish(handle, { target });
    process.kill(await clientPid(), 'SIGKILL');
    bench.restart();
    await bench.unpublish(handle, target);
    await expect(stat(target)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('that hang: stats answer all the same, an unpublish goes through, other volumes are told why', async () => {
    await open({ type: 'managed' });
    const { handle } = await bench.addVolume('a');
    const target = bench.target('one');
    await bench.publish(handle, { target });
    const pid = await clientPid();
    process.kill(pid, 'SIGSTOP');
    try {
      // Names that the kernel remembers for a second answer without the client.
      await sleep(1_500);
      const started = performance.now();
      const { volume_condition: condition } = await bench.stats(handle, target);
      expect(performance.now() - started).toBeLessThan(14_000);
      expect(condition).toMatchObject({ abnormal: true, message: expect.stringMatching(/did not answer/) as string });
      await bench.unpublish(handle, target);
      expect(await bench.mountsAt(target)).toEqual([]);
      expect(performance.now() - started).toBeLessThan(40_000);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await bench.publish(handle, { target });
    await bench.unpublish(handle, target);
  });

  it('show limit and usage of a volume with gluster quota, and say when the limit is not in force', async () => {
    await open({ type: 'managed', quota: 'gluster' });
    const fields = { limitBytes: 8n << 20n, quota: { mechanism: 'gluster' } } as const;
    const { handle, path } = await bench.addVolume('a', fields);
    await new GlusterMechanism({ tree: bench.control.tree, profile: 'exact' }).set({ path }, 8n << 20n);
    const target = bench.target('one');
    await bench.publish(handle, { target });
    await writeFile(join(target, 'data'), Buffer.alloc(1 << 20, 1));
    const used = await waitFor('the usage to be counted', async () => {
      const { usage, volume_condition: condition } = await bench.stats(handle, target);
      expect(condition).toEqual({ abnormal: false, message: 'the volume answers' });
      const bytes = usage?.find(({ unit }) => unit === 'BYTES');
      expect(bytes?.total).toBe(String(8 << 20));
      return bytes?.used === '0' ? undefined : usage;
    });
    expect(used.find(({ unit }) => unit === 'BYTES')?.used).toBe(String(1 << 20));
    const free = await bench.addVolume('b', fields);
    const other = bench.target('two');
    await bench.publish(free.handle, { target: other });
    expect((await bench.stats(free.handle, other)).volume_condition).toMatchObject({
      abnormal: true,
      message: expect.stringMatching(/limit of 8 MiB is not in force/) as string,
    });
    await bench.unpublish(handle, target);
    await bench.unpublish(free.handle, other);
  });

  it('the whole of a static-only pool is never published with its credentials', async () => {
    await open({ type: 'managed', staticOnly: true });
    const context = { pool: bench.pool.name, path: '.' };
    const whole = bench.publish(bench.handle('all'), { target: bench.target('one'), context });
    await expect(whole).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('.meta') as string,
    });
    await mkdir(join(bench.control.root, 'volumes'));
    const part = { target: bench.target('two'), context: { pool: bench.pool.name, path: 'volumes' } };
    await bench.publish(bench.handle('part'), part);
    await expect(stat(join(part.target, '.meta'))).rejects.toMatchObject({ code: 'ENOENT' });
    await bench.unpublish(bench.handle('part'), part.target);
  });

  it('the whole of a static-only directory pool is published', async () => {
    await open({ type: 'directory', staticOnly: true });
    await writeFile(join(bench.control.root, 'file'), 'whole');
    const wish = { target: bench.target('one'), context: { pool: bench.pool.name, path: '.' } };
    await bench.publish(bench.handle('all'), wish);
    await bench.publish(bench.handle('all'), wish);
    expect(await readFile(join(wish.target, 'file'), 'utf8')).toBe('whole');
    expect((await bench.stats(bench.handle('all'), wish.target)).volume_condition?.abnormal).toBe(false);
    await bench.unpublish(bench.handle('all'), wish.target);
  });

  it('directories: what is missing, behind a symlink or of another node is refused', async () => {
    await open({ type: 'directory' });
    const { handle } = await bench.addVolume('a');
    const target = bench.target('one');
    const { pool } = bench;
    if (pool.type !== 'directory') throw new Error('not a directory pool');
    const { path } = pool;
    bench.restart({ pool: { ...pool, shared: false, node: 'node-7' } });
    await expect(bench.publish(handle, { target })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining('node "node-7" alone') as string,
    });
    await mkdir(join(path, 'sub'));
    await symlink('sub', join(path, 'alias'));
    bench.restart({ pool: { ...pool, path: join(path, 'alias') } });
    await expect(bench.publish(handle, { target })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await mkdir(join(path, 'sub/deep'));
    bench.restart({ pool: { ...pool, path: join(path, 'alias/deep') } });
    await expect(bench.publish(handle, { target })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining('symbolic link') as string,
    });
    bench.restart();
    await bench.publish(handle, { target });
    await bench.unpublish(handle, target);
    await run('umount', ['-l', path]);
    await mkdir(join(path, 'volumes'), { recursive: true });
    await sleep(1_100);
    await expect(bench.publish(handle, { target })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/nothing is mounted at|has no \.kayal\/pool\.json/) as string,
    });
    bench.restart({ pool: { ...pool, path: '/etc' } });
    await expect(bench.publish(handle, { target })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('it lies on the root filesystem') as string,
    });
    bench.restart();
    await expect(stat(target)).rejects.toMatchObject({ code: 'ENOENT' });
    await run('mount', ['-o', 'loop', `${path}.img`, path]);
    await bench.publish(handle, { target });
    await bench.unpublish(handle, target);
  });
});
