import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { withTree } from './testing.js';

test('removes everything, in slices, and follows no symlink', async () => {
  await withTree(async ({ tree, root, outside }) => {
    const top = join(root, 'trash/v');
    writeFileSync(join(outside, 'keep'), '');
    for (let n = 0; n < 20; n++) {
      const directory = join(top, `d${n % 5}/e${n}`);
      mkdirSync(directory, { recursive: true });
      for (let m = 0; m < 20; m++) writeFileSync(join(directory, String(m)), '');
      symlinkSync(outside, join(directory, 'link'));
    }
    execFileSync('mkfifo', [join(top, 'fifo')]);
    let slices = 0;
    let removed = 0;
    for (let done = false; !done; slices++) {
      const slice = await tree.removeSome('trash/v', { entries: 50 });
      ({ done } = slice);
      removed += slice.removed;
    }
    expect(slices).toBeGreaterThan(8);
    expect(removed).toBe(20 * 22 + 5 + 1 + 1);
    expect(readdirSync(join(root, 'trash'))).toEqual([]);
    expect(readdirSync(outside)).toEqual(['keep']);
    expect(await tree.removeSome('trash/v', { entries: 1 })).toEqual({ done: true, removed: 0 });
  });
});

test('odd names', async () => {
  await withTree(async ({ tree, root }) => {
    const top = join(root, 'v');
    mkdirSync(top);
    const names = [Buffer.from([0xff, 0xfe]), Buffer.from('a\nb'), Buffer.from('...'), Buffer.from('ü\u{1f600}')];
    names.push(Buffer.from('-rf'), Buffer.alloc(255, 'x'), Buffer.from('*'), Buffer.from(' '));
    for (const name of names) {
      const path = Buffer.concat([Buffer.from(`${top}/`), name]);
      mkdirSync(path);
      writeFileSync(Buffer.concat([path, Buffer.from('/'), name]), '');
    }
    await tree.removeTree('v');
    expect(readdirSync(root)).toEqual([]);
  });
});

test('deeper than a path can say, and than one would like to hold descriptors', async () => {
  await withTree(async ({ tree, root }) => {
    const before = process.cwd();
    process.chdir(root);
    try {
      for (let depth = 0; depth < 600; depth++) {
        mkdirSync('a-directory');
        process.chdir('a-directory');
        writeFileSync('file', '');
      }
    } finally {
      process.chdir(before);
    }
    await tree.removeTree('a-directory');
    expect(readdirSync(root)).toEqual([]);
  });
});

test('what cannot be removed is said, and keeps nothing else', async () => {
  await withTree(async ({ tree, root }) => {
    const immutable = join(root, 'v/a/b/immutable');
    mkdirSync(join(root, 'v/a/b'), { recursive: true });
    mkdirSync(join(root, 'v/mount'));
    for (const name of ['v/1', 'v/a/2', 'v/a/b/3', 'v/a/b/immutable']) writeFileSync(join(root, name), '');
    execFileSync('mount', ['-t', 'tmpfs', 'none', join(root, 'v/mount')]);
    execFileSync('chattr', ['+i', immutable]);
    try {
      await expect(tree.removeTree('v')).rejects.toMatchObject({ name: 'SystemError', code: /EPERM|EXDEV/ });
    } finally {
      execFileSync('chattr', ['-i', immutable]);
      execFileSync('umount', [join(root, 'v/mount')]);
    }
    const left = execFileSync('find', ['v'], { cwd: root, encoding: 'utf8' }).trim().split('\n');
    expect(new Set(left)).toEqual(new Set(['v', 'v/a', 'v/a/b', 'v/a/b/immutable', 'v/mount']));
    await tree.removeTree('v');
    expect(existsSync(join(root, 'v'))).toBe(false);
  });
});

test('a tenant who swaps directories with symlinks meanwhile', async () => {
  await withTree(async ({ tree, root, outside }) => {
    for (let n = 0; n < 50; n++) mkdirSync(join(outside, `d${n}/keep`), { recursive: true });
    for (let round = 0; round < 3; round++) {
      const top = join(root, 'v');
      for (let n = 0; n < 50; n++) mkdirSync(join(top, `a/d${n}/x`), { recursive: true });
      const over = new AbortController();
      const swap = async (): Promise<void> => {
        for (let n = 0; !over.signal.aborted; n = (n + 1) % 50) {
          try {
            renameSync(join(top, `a/d${n}`), join(top, `a/moved${n}`));
            symlinkSync(join(outside, `d${n}`), join(top, `a/d${n}`));
          } catch {
            // Removed already.
          }
          await turn();
        }
      };
      const swapping = swap();
      await tree.removeTree('v').finally(() => {
        over.abort();
      });
      await swapping;
      rmSync(top, { recursive: true, force: true });
    }
    expect(readdirSync(outside, { recursive: true })).toHaveLength(100);
  });
});

test('somebody who adds entries for ever does not keep it busy for ever', async () => {
  await withTree(async ({ tree, root }) => {
    mkdirSync(join(root, 'v'));
    writeFileSync(join(root, 'v/f'), '');
    const over = new AbortController();
    const add = async (): Promise<void> => {
      while (!over.signal.aborted) {
        mkdirSync(join(root, `v/${Math.random()}`), { recursive: true });
        await turn();
      }
    };
    const adding = add();
    const slice = await tree.removeSome('v', { entries: 100 });
    over.abort();
    await adding;
    expect(slice.removed).toBeLessThanOrEqual(101);
  });
});
