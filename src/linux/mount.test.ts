import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { prepareTargetDirectory, removeTargetDirectory, unmount } from './mount.js';
import { readMountinfo, topMount } from './mountinfo.js';
import { withHungMount, withTree, type TreeBench } from './testing.js';

async function withTarget(work: (bench: TreeBench & { target: string }) => Promise<void>): Promise<void> {
  await withTree(async (bench) => {
    const target = join(bench.outside, 'target');
    mkdirSync(join(bench.root, 'volume'));
    writeFileSync(join(bench.root, 'volume/file'), 'content');
    mkdirSync(target);
    try {
      await work({ ...bench, target });
    } finally {
      while (await unmount(bench.io, 'test', target, { detach: true }));
    }
  });
}

test('a bind shows the directory, private to its target, and unmount takes it away', async () => {
  await withTarget(async ({ io, tree, target, root }) => {
    await tree.bind('volume', target, { readOnly: false, flags: ['nosuid', 'nodev', 'noexec', 'noatime'] });
    expect(readFileSync(join(target, 'file'), 'utf8')).toBe('content');
    writeFileSync(join(target, 'new'), '');
    expect(readdirSync(join(root, 'volume')).toSorted()).toEqual(['file', 'new']);
    const mount = topMount(await readMountinfo(), target);
    expect(mount).toMatchObject({ dev: tree.dev, optional: [] });
    expect(mount?.root.endsWith('/root/volume')).toBe(true);
    expect(mount?.options.toSorted()).toEqual(['noatime', 'nodev', 'noexec', 'nosuid', 'rw']);
    expect(await unmount(io, 'test', target, { detach: false })).toBe(true);
    expect(await unmount(io, 'test', target, { detach: false })).toBe(false);
    expect(await unmount(io, 'test', join(target, 'none'), { detach: true })).toBe(false);
    expect(readdirSync(target)).toEqual([]);
  });
});

test('a read-only bind is read-only, and its source is not', async () => {
  await withTarget(async ({ tree, target, root }) => {
    await tree.bind('volume', target, { readOnly: true, flags: ['relatime', 'nodiratime'] });
    expect(() => {
      writeFileSync(join(target, 'new'), '');
    }).toThrow('EROFS');
    writeFileSync(join(root, 'volume/new'), '');
    expect(topMount(await readMountinfo(), target)?.options.toSorted()).toEqual(['nodiratime', 'relatime', 'ro']);
  });
});

test('below a shared mount the bind is no peer of its source', async () => {
  await withTarget(async ({ io, tree, target, root, outside }) => {
    execFileSync('mount', ['--bind', outside, outside]);
    execFileSync('mount', ['--make-shared', outside]);
    try {
      await tree.bind('volume', target, { readOnly: false, flags: [] });
      expect(topMount(await readMountinfo(), target)?.optional).toEqual([]);
      mkdirSync(join(target, 'nested'));
      execFileSync('mount', ['-t', 'tmpfs', 'none', join(target, 'nested')]);
      writeFileSync(join(target, 'nested/x'), '');
      expect(readdirSync(join(root, 'volume/nested'))).toEqual([]);
      execFileSync('umount', [join(target, 'nested')]);
      expect(await unmount(io, 'test', target, { detach: true })).toBe(true);
    } finally {
      execFileSync('umount', ['--lazy', outside]);
    }
  });
});

test('a target that is a symlink or a file is refused', async () => {
  await withTarget(async ({ io, tree, target, outside }) => {
    symlinkSync(target, join(outside, 'link'));
    writeFileSync(join(outside, 'file'), '');
    const options = { readOnly: false, flags: [] };
    await expect(tree.bind('volume', join(outside, 'link'), options)).rejects.toMatchObject({ code: 'ELOOP' });
    await expect(tree.bind('volume', join(outside, 'link/'), options)).rejects.toMatchObject({ code: 'ELOOP' });
    await expect(tree.bind('volume', join(outside, 'file'), options)).rejects.toMatchObject({ code: 'ENOTDIR' });
    await expect(tree.bind('volume', join(outside, 'none'), options)).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(tree.bind('none', target, options)).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(tree.bind('volume/file', target, options)).rejects.toMatchObject({ code: 'ENOTDIR' });
    await tree.bind('volume', target, options);
    expect(await unmount(io, 'test', join(outside, 'link'), { detach: true })).toBe(false);
    expect(readdirSync(target)).toEqual(['file']);
  });
});

test('a target directory is made, kept and removed, and nothing else is', async () => {
  await withTarget(async ({ io, outside, target, tree }) => {
    const path = join(outside, 'new');
    expect(await prepareTargetDirectory(io, 'test', path, 0o750)).toBe(true);
    expect(statSync(path).mode & 0o777).toBe(0o750);
    expect(await prepareTargetDirectory(io, 'test', path, 0o755)).toBe(false);
    symlinkSync(path, join(outside, 'link'));
    writeFileSync(join(outside, 'file'), '');
    const prepare = async (name: string): Promise<boolean> =>
      prepareTargetDirectory(io, 'test', join(outside, name), 0o750);
    await expect(prepare('link')).rejects.toMatchObject({ code: 'ELOOP' });
    await expect(prepare('link/')).rejects.toMatchObject({ code: 'ELOOP' });
    await expect(prepare('file')).rejects.toMatchObject({ code: 'ENOTDIR' });
    await expect(prepare('none/x')).rejects.toMatchObject({ code: 'ENOENT' });
    const remove = async (name: string): Promise<boolean> => removeTargetDirectory(io, 'test', join(outside, name));
    await expect(remove('link')).rejects.toMatchObject({ code: 'ENOTDIR' });
    await expect(remove('link/')).rejects.toMatchObject({ code: 'ENOTDIR' });
    await expect(remove('file')).rejects.toMatchObject({ code: 'ENOTDIR' });
    await tree.bind('volume', target, { readOnly: false, flags: [] });
    await expect(remove('target')).rejects.toMatchObject({ code: 'EBUSY' });
    expect(await remove('new')).toBe(true);
    expect(await remove('new')).toBe(false);
    expect(await remove('none/x')).toBe(false);
  });
});

test('a dead or hung mount on the target keeps neither preparing nor unmounting', async () => {
  await withTarget(async ({ io, outside }) => {
    const path = join(outside, 'dead');
    mkdirSync(path);
    await withHungMount(path, async (release) => {
      expect(await prepareTargetDirectory(io, 'test', path, 0o750)).toBe(false);
      release();
      expect(await prepareTargetDirectory(io, 'test', path, 0o750)).toBe(false);
      execFileSync('mount', ['-t', 'tmpfs', 'none', path]);
      expect(await unmount(io, 'test', path, { detach: true })).toBe(true);
    });
  });
});
