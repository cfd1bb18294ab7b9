import { execFile } from 'node:child_process';
import { mkdir, readFile, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { formatPoolFile, readPoolFile, POOL_FILE } from '../../src/pools/pool-file.js';
import { recordPath } from '../../src/volumes/records/layout.js';
import { NodeBench, capability } from '../lib/node-bench.js';

const run = promisify(execFile);

async function expectCode(call: Promise<unknown>, code: string, message: RegExp): Promise<void> {
  await expect(call).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

describe.each(['directory', 'managed'] as const)('node service on a %s pool', (type) => {
  let bench: NodeBench;
  let count = 0;
  /** A new name for each volume and target, so that the tests do not meet. */
  const fresh = (): string => `n${++count}`;

  beforeAll(async () => {
    bench = await NodeBench.create({ type });
  });
  afterAll(async () => {
    await bench?.close();
  });
  afterEach(async () => {
    for (const { target } of await bench.published()) await run('umount', ['-l', target]);
  });

  it('stages, publishes, unpublishes and unstages a volume; pods share its files', async () => {
    const { handle, path } = await bench.addVolume(fresh());
    const [first, second] = [bench.target(fresh()), bench.target(fresh())];
    await mkdir(bench.staging(), { recursive: true });
    await bench.stage(handle);
    expect(await bench.mountsAt(bench.staging())).toEqual([]);
    await bench.publish(handle, { target: first });
    await bench.publish(handle, { target: second });
    await writeFile(join(first, 'hello'), 'from the first pod');
    expect(await readFile(join(second, 'hello'), 'utf8')).toBe('from the first pod');
    expect(await readFile(join(bench.control.root, path, 'hello'), 'utf8')).toBe('from the first pod');
    await bench.unpublish(handle, first);
    expect(await exists(first)).toBe(false);
    await bench.unpublish(handle, second);
    await bench.unpublish(handle, second);
    await bench.unstage(handle);
    await bench.unstage(handle);
    expect(await readFile(join(bench.control.root, path, 'hello'), 'utf8')).toBe('from the first pod');
  });

  it('makes the target with mode 0750, and takes nothing away that it did not make empty', async () => {
    const { handle } = await bench.addVolume(fresh());
    const target = bench.target(fresh());
    await bench.publish(handle, { target });
    await run('umount', [target]);
    expect((await stat(target)).mode & 0o777).toBe(0o750);
    await writeFile(join(target, 'stray'), 'not on the volume');
    await expectCode(bench.unpublish(handle, target), 'FAILED_PRECONDITION', /holds files of its own/);
    expect(await readFile(join(target, 'stray'), 'utf8')).toBe('not on the volume');
  });

  it.each(['unknown', 'deleting', 'archived'] as const)(
    'refuses a volume that is %s, and makes nothing',
    async (state) => {
      const id = fresh();
      if (state !== 'unknown') await bench.addVolume(id, { state });
      const target = bench.target(fresh());
      await expectCode(bench.stage(bench.handle(id)), 'NOT_FOUND', /does not exist|was deleted/);
      await expectCode(bench.publish(bench.handle(id), { target }), 'NOT_FOUND', /does not exist|was deleted/);
      expect(await exists(target)).toBe(false);
    },
  );

  it('refuses a volume whose directory is gone or was replaced by a symlink, and makes nothing', async () => {
    const { handle, path } = await bench.addVolume(fresh());
    const target = bench.target(fresh());
    await run('rmdir', [join(bench.control.root, path)]);
    await expectCode(bench.stage(handle), 'NOT_FOUND', /its directory .* does not exist/);
    await expectCode(bench.publish(handle, { target }), 'NOT_FOUND', /its directory .* does not exist/);
    await symlink('/etc', join(bench.control.root, path));
    await expect(bench.publish(handle, { target })).rejects.toThrow(/ELOOP|ENOTDIR|does not exist/);
    expect(await exists(target)).toBe(false);
    expect(await bench.published()).toEqual([]);
  });

  it('waits for a volume that is being created, and reports one whose record is damaged or copied', async () => {
    const target = bench.target(fresh());
    const young = fresh();
    const creating = await bench.addVolume(young, { state: 'creating' });
    await expectCode(bench.publish(creating.handle, { target }), 'ABORTED', /still being created/);
    // The client has looked at the record that is replaced now, and remembers it for a while.
    await bench.writeRecord(bench.recordOf(young));
    await bench.publish(creating.handle, { target });
    await bench.unpublish(creating.handle, target);
    const id = fresh();
    await bench.addVolume(id);
    await bench.control.tree.replaceFile('.kayal/tmp', recordPath(id), Buffer.from('{"torn'));
    await expectCode(bench.publish(bench.handle(id), { target }), 'UNAVAILABLE', /is damaged/);
    const copied = await bench.addVolume(fresh(), { poolId: '00000000-0000-4000-8000-000000000000' });
    await expectCode(bench.publish(copied.handle, { target }), 'FAILED_PRECONDITION', /copied from another pool/);
    expect(await exists(target)).toBe(false);
  });

  it('16 identical publishes at once make one mount, and one unpublish takes it away', async () => {
    const { handle } = await bench.addVolume(fresh());
    const target = bench.target(fresh());
    const results = await Promise.allSettled(Array.from({ length: 16 }, () => bench.publish(handle, { target })));
    const failed = results.filter((result) => result.status === 'rejected');
    for (const { reason } of failed) expect(reason).toMatchObject({ code: 'ABORTED' });
    expect(failed.length).toBeLessThan(16);
    expect(await bench.mountsAt(target)).toHaveLength(1);
    await bench.unpublish(handle, target);
    expect(await bench.mountsAt(target)).toEqual([]);
    expect(await exists(target)).toBe(false);
  });

  it('32 publishes at once on a node without the pool start one client, and every bind is on it', async () => {
    const volumes = await Promise.all(Array.from({ length: 32 }, () => bench.addVolume(fresh())));
    bench.restart();
    for (const pool of await bench.pools.mounted()) await run('umount', ['-l', bench.pools.mountPointOf(pool)]);
    const targets = volumes.map(() => bench.target(fresh()));
    await Promise.all(volumes.map(({ handle }, index) => bench.publish(handle, { target: targets[index] ?? '' })));
    const mounts = await bench.published();
    expect(mounts).toHaveLength(32);
    const location = bench.pools.current(bench.pool.name)?.location;
    expect(new Set(mounts.map(({ dev }) => dev))).toEqual(new Set([location?.dev]));
    expect(new Set(mounts.map(({ root }) => root)).size).toBe(32);
    if (type === 'managed') expect(await bench.mountsAt(bench.pools.mountPointOf(bench.pool.name))).toHaveLength(1);
    await Promise.all(volumes.map(({ handle }, index) => bench.unpublish(handle, targets[index] ?? '')));
    expect(await bench.published()).toEqual([]);
  });

  it('publishes read-only, and refuses the same target with other options', async () => {
    const { handle } = await bench.addVolume(fresh());
    const [reader, writer] = [bench.target(fresh()), bench.target(fresh())];
    await bench.publish(handle, { target: reader, readonly: true });
    await bench.publish(handle, { target: reader, readonly: true });
    await bench.publish(handle, { target: writer });
    await writeFile(join(writer, 'file'), 'x');
    await expect(writeFile(join(reader, 'file'), 'y')).rejects.toMatchObject({ code: 'EROFS' });
    expect(await readFile(join(reader, 'file'), 'utf8')).toBe('x');
    await expectCode(bench.publish(handle, { target: reader }), 'ALREADY_EXISTS', /other options \(ro\)/);
    await expectCode(
      bench.publish(handle, { target: writer, readonly: true }),
      'ALREADY_EXISTS',
      /other options \(rw\)/,
    );
    const noexec = { target: writer, capability: capability('MULTI_NODE_MULTI_WRITER', ['noexec']) };
    await expectCode(bench.publish(handle, noexec), 'ALREADY_EXISTS', /unpublish it first/);
  });

  it("publishes a reader's access mode read-only, and keeps the mount options that were asked for", async () => {
    const { handle } = await bench.addVolume(fresh());
    const [reader, careful] = [bench.target(fresh()), bench.target(fresh())];
    await bench.publish(handle, { target: reader, capability: capability('MULTI_NODE_READER_ONLY') });
    await expect(writeFile(join(reader, 'file'), 'y')).rejects.toMatchObject({ code: 'EROFS' });
    const wish = {
      target: careful,
      capability: capability('SINGLE_NODE_WRITER', ['nosuid', 'nodev', 'noexec', 'noatime']),
    };
    await bench.publish(handle, wish);
    await bench.publish(handle, wish);
    const [mount] = await bench.mountsAt(careful);
    expect(mount?.options).toEqual(expect.arrayContaining(['rw', 'nosuid', 'nodev', 'noexec', 'noatime']));
  });

  it('refuses the second target of a ReadWriteOncePod volume, also after a restart, until the first is gone', async () => {
    const { handle } = await bench.addVolume(fresh());
    const once = capability('SINGLE_NODE_SINGLE_WRITER');
    const [first, second] = [bench.target(fresh()), bench.target(fresh())];
    await bench.publish(handle, { target: first, capability: once });
    await bench.publish(handle, { target: first, capability: once });
    await expectCode(
      bench.publish(handle, { target: second, capability: once }),
      'FAILED_PRECONDITION',
      /one pod only/,
    );
    expect(await exists(second)).toBe(false);
    bench.restart();
    await expectCode(
      bench.publish(handle, { target: second, capability: once }),
      'FAILED_PRECONDITION',
      /one pod only/,
    );
    await bench.unpublish(handle, first);
    await bench.publish(handle, { target: second, capability: once });
    await bench.unpublish(handle, second);
  });

  it('one of 8 publishes of a ReadWriteOncePod volume at once wins', async () => {
    const { handle } = await bench.addVolume(fresh());
    const once = capability('SINGLE_NODE_SINGLE_WRITER');
    const targets = Array.from({ length: 8 }, () => bench.target(fresh()));
    const results = await Promise.allSettled(
      targets.map((target) => bench.publish(handle, { target, capability: once })),
    );
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await bench.published()).toHaveLength(1);
  });

  it('refuses targets that are files, symlinks, other mounts, or whose parent is missing', async () => {
    const { handle } = await bench.addVolume(fresh());
    const [file, link, mounted] = [bench.target(fresh()), bench.target(fresh()), bench.target(fresh())];
    await writeFile(file, 'precious');
    await mkdir(`${link}-elsewhere`);
    await symlink(`${link}-elsewhere`, link);
    await mkdir(mounted);
    await run('mount', ['-t', 'tmpfs', 'tmpfs', mounted]);
    await expectCode(bench.publish(handle, { target: file }), 'FAILED_PRECONDITION', /is a file or a symbolic link/);
    await expectCode(bench.publish(handle, { target: link }), 'FAILED_PRECONDITION', /is a file or a symbolic link/);
    await expectCode(bench.publish(handle, { target: mounted }), 'FAILED_PRECONDITION', /something else mounted/);
    await expectCode(
      bench.publish(handle, { target: join(bench.target(fresh()), 'mount') }),
      'FAILED_PRECONDITION',
      /parent directory does not exist/,
    );
    expect(await readFile(file, 'utf8')).toBe('precious');
    expect(await bench.mountsAt(`${link}-elsewhere`)).toEqual([]);
    expect(await bench.mountsAt(mounted)).toHaveLength(1);
    await expectCode(bench.unpublish(handle, file), 'FAILED_PRECONDITION', /is a file or a symbolic link/);
  });

  it('finds publishes below a kubelet directory that is a symlink', async () => {
    const { handle } = await bench.addVolume(fresh());
    const name = fresh();
    await symlink('pods', join(bench.directory, 'kubelet-link')).catch(() => undefined);
    const target = join(bench.directory, 'kubelet-link', name);
    await bench.publish(handle, { target });
    await bench.publish(handle, { target });
    expect(await bench.mountsAt(bench.target(name))).toHaveLength(1);
    expect((await bench.stats(handle, target)).volume_condition).toMatchObject({ abnormal: false });
    await bench.unpublish(handle, target);
    expect(await exists(bench.target(name))).toBe(false);
  });

  it('a target with several mounts on top of one another is unpublished to the ground', async () => {
    const { handle, path } = await bench.addVolume(fresh());
    const target = bench.target(fresh());
    await bench.publish(handle, { target });
    for (let i = 0; i < 3; i++) await run('mount', ['--bind', join(bench.control.root, path), target]);
    expect(await bench.mountsAt(target)).toHaveLength(4);
    await bench.unpublish(handle, target);
    expect(await bench.mountsAt(target)).toEqual([]);
    expect(await exists(target)).toBe(false);
  });

  it('a target that is in use is unpublished all the same', async () => {
    const { handle } = await bench.addVolume(fresh());
    const target = bench.target(fresh());
    await bench.publish(handle, { target });
    const user = execFile('sleep', ['60'], { cwd: target });
    try {
      await bench.unpublish(handle, target);
      expect(await exists(target)).toBe(false);
    } finally {
      user.kill('SIGKILL');
    }
  });

  it.each([
    ['pool', 'other'],
    ['path', '.kayal'],
    ['path', '../../etc'],
    ['poolId', '00000000-0000-4000-8000-000000000000'],
  ])('refuses a volume attribute %s that was changed to %s', async (key, value) => {
    const { handle, path } = await bench.addVolume(fresh());
    const target = bench.target(fresh());
    const context = { pool: bench.pool.name, path, [key]: value };
    await expectCode(bench.publish(handle, { target, context }), 'INVALID_ARGUMENT', new RegExp(`attribute ${key}`));
    await expectCode(bench.stage(handle, context), 'INVALID_ARGUMENT', new RegExp(`attribute ${key}`));
    expect(await exists(target)).toBe(false);
  });

  describe('static volumes', () => {
    const attributes = (path: string, more: Record<string, string> = {}): Record<string, string> => ({
      pool: bench.pool.name,
      path,
      ...more,
    });

    it('serve an existing directory, the same one for two handles', async () => {
      const { tree, root } = bench.control;
      await tree.mkdirs('teams/blue', 0o777);
      await writeFile(join(root, 'teams/blue/file'), 'blue');
      const [one, two] = [bench.target(fresh()), bench.target(fresh())];
      await bench.stage(bench.handle('my/own/name'), attributes('teams/blue'));
      await bench.publish(bench.handle('my/own/name'), { target: one, context: attributes('teams/blue') });
      await bench.publish(bench.handle('another'), { target: two, context: attributes('teams/blue') });
      expect(await readFile(join(one, 'file'), 'utf8')).toBe('blue');
      expect(await readFile(join(two, 'file'), 'utf8')).toBe('blue');
      bench.restart();
      const stats = await bench.stats(bench.handle('another'), two);
      expect(stats.volume_condition?.abnormal).toBe(false);
      expect(BigInt(String(stats.usage?.find(({ unit }) => unit === 'INODES')?.used))).toBe(2n);
      await bench.unpublish(bench.handle('my/own/name'), one);
      await bench.unpublish(bench.handle('another'), two);
    });

    it('never lie in, on or above a volume or Kayal, nor anywhere else', async () => {
      const id = fresh();
      await bench.addVolume(id, { path: `claims/ns/${id}` });
      const { path } = await bench.addVolume(fresh());
      await bench.control.tree.mkdirs(`claims/ns/${id}/sub`, 0o755);
      await symlink('/etc', join(bench.control.root, `link-${id}`));
      const target = bench.target(fresh());
      for (const bad of [
        `claims/ns/${id}/sub`,
        `claims/ns/${id}`,
        'claims/ns',
        'claims',
        'volumes',
        path,
        '.kayal',
        '.kayal/volumes',
        '.',
        '..',
        '/etc',
        'claims/../.kayal',
      ]) {
        await expectCode(
          bench.publish(bench.handle('static'), { target, context: attributes(bad) }),
          'INVALID_ARGUMENT',
          /volume attribute path/,
        );
      }
      await expectCode(
        bench.publish(bench.handle('static'), { target, context: attributes('nowhere') }),
        'NOT_FOUND',
        /no directory nowhere/,
      );
      await expectCode(
        bench.publish(bench.handle('static'), { target, context: attributes(`link-${id}`) }),
        'NOT_FOUND',
        /is not a directory but a symlink/,
      );
      expect(await exists(target)).toBe(false);
    });

    it('with a size wait for the controller, who finds a request', async () => {
      const id = fresh();
      await bench.control.tree.mkdirs(`imports/${id}`, 0o777);
      const context = attributes(`imports/${id}`, { size: '2Mi' });
      await expectCode(bench.stage(bench.handle(id), context), 'ABORTED', /waiting for the controller/);
      await expectCode(bench.stage(bench.handle(id), context), 'ABORTED', /waiting for the controller/);
      const requests = join(bench.control.root, '.kayal/requests');
      expect(await readdir(requests)).toEqual([`${id}.json`]);
      const request = JSON.parse(await readFile(join(requests, `${id}.json`), 'utf8')) as object;
      expect(request).toMatchObject({
        kind: 'import',
        volumeHandle: bench.handle(id),
        path: `imports/${id}`,
        size: '2097152',
      });
      await bench.writeRecord(bench.recordOf(id, { path: `imports/${id}`, imported: true }));
      await bench.stage(bench.handle(id), context);
      await expectCode(bench.stage(bench.handle('no/record'), context), 'INVALID_ARGUMENT', /needs a handle/);
    });

    it('that were deleted are not found, though their attributes name a path', async () => {
      const id = fresh();
      const target = bench.target(fresh());
      const { path } = bench.recordOf(id);
      await expectCode(
        bench.publish(bench.handle(id), { target, context: attributes(path) }),
        'NOT_FOUND',
        /not exist/,
      );
      expect(await exists(target)).toBe(false);
    });
  });

  describe('stats', () => {
    it('count what the volume holds, not the pool', async () => {
      const { handle, path } = await bench.addVolume(fresh(), { limitBytes: 8n << 20n });
      const target = bench.target(fresh());
      await bench.publish(handle, { target });
      await writeFile(join(bench.control.root, path, 'data'), Buffer.alloc(1 << 20, 1));
      const { usage, volume_condition: condition } = await bench.stats(handle, target);
      expect(condition).toMatchObject({
        abnormal: false,
        message: expect.stringMatching(/counted \d+ s ago/) as string,
      });
      const bytes = usage?.find(({ unit }) => unit === 'BYTES');
      expect(bytes?.total).toBe(String(8 << 20));
      expect(Number(bytes?.used)).toBeGreaterThanOrEqual(1 << 20);
      expect(Number(bytes?.used)).toBeLessThan((1 << 20) + 65_536);
      expect(usage?.find(({ unit }) => unit === 'INODES')?.used).toBe('2');
    });

    it('are for paths of the volume only', async () => {
      const [mine, other] = [await bench.addVolume(fresh()), await bench.addVolume(fresh())];
      const target = bench.target(fresh());
      await bench.publish(other.handle, { target });
      await mkdir(bench.staging(), { recursive: true });
      for (const path of ['some/path', bench.target('nowhere'), target, bench.directory, '/']) {
        await expectCode(bench.stats(mine.handle, path), 'NOT_FOUND', /is not published at/);
      }
      await expectCode(bench.stats(bench.handle('unknown'), target), 'NOT_FOUND', /does not exist/);
      await expectCode(bench.stats('unknown', 'some/path'), 'NOT_FOUND', /does not exist/);
      await bench.stage(mine.handle);
      expect((await bench.stats(mine.handle, bench.staging())).volume_condition?.abnormal).toBe(false);
      bench.restart();
      const staging = bench.staging();
      expect((await bench.stats(mine.handle, staging, staging)).volume_condition?.abnormal).toBe(false);
    });
  });

  describe('identity', () => {
    it('refuses a pool of another installation, and one that was never prepared', async () => {
      const { handle } = await bench.addVolume(fresh());
      const target = bench.target(fresh());
      bench.restart({ installation: 'somebody-else' });
      await expectCode(bench.publish(handle, { target }), 'FAILED_PRECONDITION', /kayal pool takeover lagoon/);
      bench.restart();
      const { tree } = bench.control;
      const file = await readPoolFile(tree);
      await tree.unlink(POOL_FILE);
      try {
        await expectCode(bench.publish(handle, { target }), 'UNAVAILABLE', /bare directory/);
      } finally {
        if (file !== undefined) await tree.createFile('.kayal/tmp', POOL_FILE, formatPoolFile(file));
      }
      expect(await exists(target)).toBe(false);
      await bench.publish(handle, { target });
    });
  });
});
