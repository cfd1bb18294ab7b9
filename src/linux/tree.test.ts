import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Tree } from './tree.js';
import { withDirectory, withTree, withWorkers } from './testing.js';

const data = Buffer.from('{"a":1}');

test('files are made, read, listed and removed', async () => {
  await withTree(async ({ tree, root }) => {
    expect(await tree.mkdirs('records/ab', 0o700)).toEqual(['records', 'records/ab']);
    expect(await tree.mkdirs('records/ab', 0o700)).toEqual([]);
    expect(await tree.createFile('records/tmp', 'records/ab/one', data)).toBe(true);
    expect(await tree.readFile('records/ab/one')).toEqual(data);
    expect(await tree.list('records')).toEqual([{ name: 'ab', type: 'directory' }]);
    expect(await tree.stat('records/ab/one')).toMatchObject({ type: 'file', mode: 0o600, size: 7n, dev: tree.dev });
    await tree.replaceFile('records/tmp', 'records/ab/one', Buffer.from('new'));
    await tree.replaceHint('records/tmp', 'records/ab/hint', data);
    await tree.replaceHint('records/tmp', 'records/ab/hint', Buffer.from('newer'));
    expect(readFileSync(join(root, 'records/ab/hint'), 'utf8')).toBe('newer');
    expect(await tree.unlink('records/ab/hint')).toBe(true);
    await tree.replaceFile('records/tmp', 'records/ab/two', Buffer.alloc(100_000, 'x'));
    expect((await tree.readFile('records/ab/two'))?.equals(Buffer.alloc(100_000, 'x'))).toBe(true);
    await expect(tree.readFile('records/ab/two', 99_999)).rejects.toMatchObject({ code: 'EFBIG' });
    expect(await tree.rmdir('records/ab')).toBe('not-empty');
    expect(await tree.unlink('records/ab/one')).toBe(true);
    expect(await tree.unlink('records/ab/one')).toBe(false);
    expect(await tree.unlink('records/ab/two')).toBe(true);
    expect(await tree.rmdir('records/ab')).toBe('removed');
    expect(await tree.rmdir('records/ab')).toBe('absent');
    expect(await tree.readFile('records/none')).toBeUndefined();
    expect(await tree.list('none')).toBeUndefined();
    expect(await tree.stat('records/none')).toBeUndefined();
  });
});

test('createFile: one of many wins, whole, and a stale temporary is no obstacle', async () => {
  await withTree(async ({ tree, root }) => {
    const writers = Array.from({ length: 16 }, async (_, n) =>
      tree.createFile(`t${n}`, 'record', Buffer.from(`by ${n}`)),
    );
    const won = (await Promise.all(writers)).flatMap((made, n) => (made ? [n] : []));
    expect(won).toHaveLength(1);
    expect(readFileSync(join(root, 'record'), 'utf8')).toBe(`by ${won[0]}`);
    expect(readdirSync(root)).toEqual(['record']);
    // Between link and unlink both names are one file: a writer that truncated the temporary would empty the record.
    execFileSync('ln', [join(root, 'record'), join(root, 't')]);
    expect(await tree.createFile('t', 'record', data)).toBe(false);
    expect(readFileSync(join(root, 'record'), 'utf8')).toBe(`by ${won[0]}`);
    await tree.replaceFile('t', 'record', data);
    expect(readFileSync(join(root, 'record'))).toEqual(data);
    expect(readdirSync(root)).toEqual(['record']);
  });
});

test('the directories above a file or directory are made on request', async () => {
  await withTree(async ({ tree, root }) => {
    await expect(tree.createFile('t', 'a/b/record', data)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await tree.createFile('t', 'a/b/record', data, 0o700)).toBe(true);
    expect(await tree.createFile('t', 'a/b/record', Buffer.from('other'), 0o700)).toBe(false);
    expect(readFileSync(join(root, 'a/b/record'))).toEqual(data);
    expect(statSync(join(root, 'a/b')).mode & 0o7777).toBe(0o700);
    const owner = { uid: 12, gid: 34, mode: 0o2770 };
    await expect(tree.makeDirectory('c/d/e', owner)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await tree.makeDirectory('c/d/e', owner, 0o711)).toBe(true);
    expect(await tree.stat('c/d/e')).toMatchObject(owner);
    expect(await tree.stat('c/d')).toMatchObject({ uid: 0, gid: 0, mode: 0o711 });
    expect(await tree.makeDirectory('c/d/e', { uid: 0, gid: 0, mode: 0o700 }, 0o711)).toBe(false);
    expect(await tree.stat('c/d/e')).toMatchObject(owner);
    expect(readdirSync(root).toSorted()).toEqual(['a', 'c']);
  });
});

test('many who miss the same directory all make their files in it', async () => {
  await withTree(async ({ tree, root }) => {
    const made = Array.from({ length: 16 }, async (_, n) => [
      await tree.createFile(`t${n}`, `records/${n}`, data, 0o700),
      await tree.makeDirectory(`volumes/${n}`, { uid: 0, gid: 0, mode: 0o755 }, 0o711),
    ]);
    expect((await Promise.all(made)).flat()).toEqual(Array.from({ length: 32 }, () => true));
    expect(readdirSync(join(root, 'records'))).toHaveLength(16);
    expect(readdirSync(join(root, 'volumes'))).toHaveLength(16);
  });
});

test('readFiles reads every regular file of a directory, and says why it could not', async () => {
  await withTree(async ({ tree, root, outside }) => {
    mkdirSync(join(root, 'd/sub'), { recursive: true });
    writeFileSync(join(root, 'd/a'), 'A');
    writeFileSync(join(root, 'd/big'), 'too large');
    writeFileSync(join(outside, 'secret'), 'secret');
    symlinkSync(join(outside, 'secret'), join(root, 'd/link'));
    const files = await tree.readFiles('d', 5);
    expect(files.toSorted((a, b) => a.name.localeCompare(b.name))).toEqual([
      { name: 'a', data: Buffer.from('A') },
      { name: 'big', data: 'EFBIG' },
    ]);
    expect(await tree.readFiles('none', 5)).toEqual([]);
  });
});

test('mkdir sets the mode exactly, and rename tells a missing source from other errors', async () => {
  await withTree(async ({ tree, root }) => {
    expect(await tree.mkdir('d', 0o1777)).toBe(true);
    expect(statSync(join(root, 'd')).mode & 0o7777).toBe(0o1777);
    expect(await tree.mkdir('d', 0o700)).toBe(false);
    expect(await tree.rename('none', 'd2')).toBe(false);
    expect(await tree.rename('none/x', 'd2')).toBe(false);
    await expect(tree.rename('d', 'none/d')).rejects.toMatchObject({ code: 'ENOENT' });
    writeFileSync(join(root, 'file'), '');
    await expect(tree.rename('d', 'file')).rejects.toMatchObject({ code: 'ENOTDIR' });
    expect(await tree.rename('d', 'd2')).toBe(true);
    await tree.setOwnerAndMode('d2', { uid: 12, gid: 34, mode: 0o2770 });
    expect(await tree.stat('d2')).toMatchObject({ uid: 12, gid: 34, mode: 0o2770 });
    await expect(tree.rmdir('file')).rejects.toMatchObject({ code: 'ENOTDIR' });
    await expect(tree.mkdirs('file/x', 0o700)).rejects.toMatchObject({ code: 'ENOTDIR' });
  });
});

test('below a directory of root alone, a move finds nothing once its directory was renamed', async () => {
  await withTree(async ({ tree, root }) => {
    await tree.mkdirs('.kayal/fence.1', 0o700);
    await tree.mkdir('to', 0o700);
    writeFileSync(join(root, '.kayal/fence.1/record'), 'old');
    expect(await tree.rename('.kayal/fence.1', '.kayal/fence.2')).toBe(true);
    expect(await tree.rename('.kayal/fence.1/record', 'to/record')).toBe(false);
    await expect(tree.replaceFile('.kayal/fence.1/new', 'to/record', data)).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(tree.createFile('.kayal/fence.1/new', 'to/record', data)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(readdirSync(join(root, 'to'))).toEqual([]);
    expect(await tree.rename('.kayal/fence.2/record', 'to/record')).toBe(true);
  });
});

test.each([
  ['/etc', 'EXDEV'],
  ['..', 'EXDEV'],
  ['../outside', 'EXDEV'],
  ['dir/../../outside', 'EXDEV'],
  ['dir/..', 'EXDEV'],
  ['a\0b', 'EINVAL'],
  ['link/secret', 'ELOOP'],
  ['inside/file', 'ELOOP'],
])('%j never leads anywhere: %s', async (path, code) => {
  await withTree(async ({ tree, root, outside }) => {
    writeFileSync(join(outside, 'secret'), 'secret');
    mkdirSync(join(root, 'dir'));
    writeFileSync(join(root, 'dir/file'), '');
    symlinkSync(outside, join(root, 'link'));
    symlinkSync('dir', join(root, 'inside'));
    const attempts: (() => Promise<unknown>)[] = [
      () => tree.stat(path),
      () => tree.readFile(path),
      () => tree.list(path),
      () => tree.statfs(path),
      () => tree.unlink(path),
      () => tree.removeTree(path),
      () => tree.mkdirs(`${path}/x`, 0o700),
      () => tree.createFile('t', `${path}/x`, data),
      () => tree.replaceFile(`${path}/x`, 'dir/y', data),
      () => tree.rename('dir/file', `${path}/y`),
      () => tree.rename(path, 'dir/stolen'),
      () => tree.setOwnerAndMode(path, { uid: 1, gid: 1, mode: 0o777 }),
      () => tree.setXattr(path, 'trusted.x', data),
      () => tree.bind(path, outside, { readOnly: false, flags: [] }),
    ];
    for (const attempt of attempts) await expect(attempt()).rejects.toMatchObject({ code });
    expect(readdirSync(outside)).toEqual(['secret']);
    expect(readdirSync(join(root, 'dir'))).toEqual(['file']);
  });
});

test('a symlink at the end is seen, removed and moved as a symlink, and never followed', async () => {
  await withTree(async ({ tree, root, outside }) => {
    writeFileSync(join(outside, 'secret'), 'secret');
    symlinkSync(outside, join(root, 'link'));
    symlinkSync(join(outside, 'secret'), join(root, 'file'));
    expect(await tree.stat('link')).toMatchObject({ type: 'symlink' });
    await expect(tree.readFile('file')).rejects.toMatchObject({ code: 'ELOOP' });
    await expect(tree.setXattr('file', 'trusted.x', data)).rejects.toMatchObject({ code: 'ELOOP' });
    await expect(tree.setOwnerAndMode('link', { uid: 1, gid: 1, mode: 0 })).rejects.toMatchObject({ code: 'ELOOP' });
    expect(await tree.mkdir('link', 0o700)).toBe(false);
    expect(await tree.rename('link', 'moved')).toBe(true);
    expect(lstatSync(join(root, 'moved')).isSymbolicLink()).toBe(true);
    await tree.removeTree('moved');
    expect(await tree.unlink('file')).toBe(true);
    expect(readdirSync(outside)).toEqual(['secret']);
  });
});

test('a directory that is swapped with a symlink all the time never leads out', async () => {
  await withTree(async ({ tree, root, outside }) => {
    mkdirSync(join(root, 'real'));
    writeFileSync(join(root, 'real/file'), 'inside');
    writeFileSync(join(outside, 'file'), 'outside');
    const until = performance.now() + 400;
    const swap = async (): Promise<void> => {
      while (performance.now() < until) {
        renameSync(join(root, 'real'), join(root, 'd'));
        await turn();
        renameSync(join(root, 'd'), join(root, 'real'));
        symlinkSync(outside, join(root, 'd'));
        await turn();
        rmSync(join(root, 'd'));
      }
    };
    const seen = new Set<string>();
    const look = async (): Promise<void> => {
      while (performance.now() < until) {
        const result = await tree.readFile('d/file').then(
          (content) => content?.toString() ?? 'nothing',
          (error: unknown) => (error instanceof Error && 'code' in error ? String(error.code) : 'unknown'),
        );
        seen.add(result);
      }
    };
    await Promise.all([swap(), look(), look(), look()]);
    expect([...seen].every((result) => ['inside', 'nothing', 'ELOOP'].includes(result))).toBe(true);
    expect(seen.has('inside')).toBe(true);
  });
});

test('a FIFO, a directory and a socket are no files, and do not hang the reader', async () => {
  await withTree(async ({ tree, root }) => {
    execFileSync('mkfifo', [join(root, 'fifo')]);
    await expect(tree.readFile('fifo')).rejects.toMatchObject({ code: 'EINVAL' });
    await expect(tree.readFile('')).rejects.toMatchObject({ code: 'EISDIR' });
    await expect(tree.setXattr('fifo', 'trusted.x', data)).rejects.toMatchObject({ code: 'ELOOP' });
    expect(await tree.stat('fifo')).toMatchObject({ type: 'other' });
  });
});

test('extended attributes of any length', async () => {
  await withTree(async ({ tree }) => {
    await tree.mkdir('d', 0o700);
    expect(await tree.getXattr('d', 'trusted.kayal')).toBeUndefined();
    for (const value of [Buffer.alloc(0), Buffer.from([0, 1, 255]), Buffer.alloc(3000, 7)]) {
      await tree.setXattr('d', 'trusted.kayal', value);
      expect(await tree.getXattr('d', 'trusted.kayal')).toEqual(value);
    }
    await tree.removeXattr('d', 'trusted.kayal');
    await tree.removeXattr('d', 'trusted.kayal');
    expect(await tree.getXattr('d', 'trusted.kayal')).toBeUndefined();
    await expect(tree.getXattr('none', 'trusted.kayal')).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(tree.setXattr('d', 'nonsense', data)).rejects.toMatchObject({ code: 'EOPNOTSUPP' });
  });
});

test('statfs agrees with df', async () => {
  await withTree(async ({ tree, root }) => {
    const usage = await tree.statfs('');
    const [, size] = execFileSync('df', ['--block-size=1', '--output=size', root], { encoding: 'utf8' }).split('\n');
    expect(usage.total).toBe(BigInt(size?.trim() ?? ''));
    expect(usage.available <= usage.free).toBe(true);
    expect(usage.fsType).toBe(tree.fsType);
  });
});

test('countUsage agrees with du, in slices of any size, and looks at nothing outside', async () => {
  await withTree(async ({ tree, root, outside }) => {
    writeFileSync(join(outside, 'large'), Buffer.alloc(1_000_000));
    mkdirSync(join(root, 'v/a/b'), { recursive: true });
    for (let n = 0; n < 50; n++) writeFileSync(join(root, `v/a/${n}`), Buffer.alloc(n * 1000));
    for (let n = 0; n < 50; n++) mkdirSync(join(root, `v/a/b/d${n}`));
    writeFileSync(Buffer.concat([Buffer.from(join(root, 'v/')), Buffer.from([0xff, 0x0a, 0x20])]), Buffer.alloc(5000));
    mkdirSync(Buffer.concat([Buffer.from(join(root, 'v/')), Buffer.from([0xfe])]));
    execFileSync('ln', [join(root, 'v/a/49'), join(root, 'v/a/b/d0/again')]);
    symlinkSync(outside, join(root, 'v/link'));
    const du = (flag: string): bigint =>
      BigInt(execFileSync('du', ['-s', flag, join(root, 'v')], { encoding: 'utf8' }).split('\t')[0] ?? '');
    for (const entries of [1, 7, 1000]) {
      let count = await tree.countUsage('v', { entries });
      while (!count.done) count = await tree.countUsage('v', { entries }, count);
      expect(count.bytes).toBe(du('-B1'));
      expect(count.inodes).toBe(du('--inodes'));
    }
  });
});

test('other mounts are no part of the tree', async () => {
  await withTree(async ({ tree, root }) => {
    mkdirSync(join(root, 'm'));
    execFileSync('mount', ['-t', 'tmpfs', 'none', join(root, 'm')]);
    try {
      writeFileSync(join(root, 'm/file'), 'x');
      await expect(tree.readFile('m/file')).rejects.toMatchObject({ code: 'EXDEV' });
      await expect(tree.removeTree('m')).rejects.toMatchObject({ code: 'EXDEV' });
      expect(readdirSync(join(root, 'm'))).toEqual(['file']);
    } finally {
      execFileSync('umount', [join(root, 'm')]);
    }
  });
});

test('the root must be a directory and no symlink', async () => {
  await withDirectory(async (directory) =>
    withWorkers(async (io) => {
      symlinkSync('/etc', join(directory, 'link'));
      writeFileSync(join(directory, 'file'), '');
      await expect(Tree.open(io, 'test', join(directory, 'link'))).rejects.toMatchObject({ code: 'ENOTDIR' });
      await expect(Tree.open(io, 'test', join(directory, 'link/'))).rejects.toMatchObject({ code: 'ENOTDIR' });
      await expect(Tree.open(io, 'test', join(directory, 'file'))).rejects.toMatchObject({ code: 'ENOTDIR' });
      await expect(Tree.open(io, 'test', 'relative')).rejects.toMatchObject({ code: 'EINVAL' });
    }),
  );
});

test('when the mount is gone, the tree fails and never shows the directory below it', async () => {
  await withTree(async ({ io, root }) => {
    const mountPoint = join(root, 'm');
    mkdirSync(mountPoint);
    writeFileSync(join(mountPoint, 'below'), '');
    execFileSync('mount', ['-t', 'tmpfs', 'none', mountPoint]);
    const tree = await Tree.open(io, 'test', mountPoint);
    try {
      chmodSync(mountPoint, 0o755);
      expect(await tree.list('')).toEqual([]);
    } finally {
      execFileSync('umount', ['--lazy', mountPoint]);
    }
    expect(await tree.list('')).toEqual([]);
    expect(await tree.stat('below')).toBeUndefined();
    await tree.close();
    await expect(tree.stat('')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});

test('close() does not wait for a call that hangs, nor closes the root under it', async () => {
  await withDirectory(async (directory) =>
    withWorkers(async (io) => {
      const image = join(directory, 'image');
      const mountPoint = join(directory, 'm');
      mkdirSync(mountPoint);
      execFileSync('truncate', ['--size=16M', image]);
      execFileSync('mkfs.ext4', ['-q', image]);
      execFileSync('mount', ['-o', 'loop', image, mountPoint]);
      try {
        const tree = await Tree.open(io, 'test', mountPoint, { deadlineMs: 1000 });
        const isOpen = (): boolean =>
          readdirSync('/proc/self/fd').some((fd) => {
            try {
              return readlinkSync(`/proc/self/fd/${fd}`) === mountPoint;
            } catch {
              return false;
            }
          });
        execFileSync('fsfreeze', ['--freeze', mountPoint]);
        try {
          const [hanging] = await Promise.allSettled([tree.mkdir('d', 0o700), tree.close()]);
          expect(hanging).toMatchObject({ status: 'rejected', reason: { code: 'DEADLINE_EXCEEDED' } });
          expect(isOpen()).toBe(true);
        } finally {
          execFileSync('fsfreeze', ['--unfreeze', mountPoint]);
        }
        while (isOpen()) await turn();
        expect(readdirSync(mountPoint)).toContain('d');
      } finally {
        execFileSync('umount', ['--lazy', mountPoint]);
      }
    }),
  );
});
