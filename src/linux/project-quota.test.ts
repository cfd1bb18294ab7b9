import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { mkdirSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { getProject, supported } from './project-quota.js';
import { Tree } from './tree.js';
import { withTree } from './testing.js';

async function withImage(format: readonly string[], work: (tree: Tree) => Promise<void>): Promise<void> {
  await withTree(async ({ io, root, outside }) => {
    const image = join(outside, 'image');
    execFileSync('truncate', ['--size=320M', image]);
    const [program = '', ...args] = format;
    execFileSync(program, [...args, image]);
    mkdirSync(join(root, 'm'));
    execFileSync('mount', ['-o', 'loop', image, join(root, 'm')]);
    try {
      const tree = await Tree.open(io, 'test', join(root, 'm'));
      await work(tree);
      await tree.close();
    } finally {
      execFileSync('umount', [join(root, 'm')]);
    }
  });
}

test.each([[['mkfs.xfs', '-q']], [['mkfs.ext4', '-q']]])('%s mounted without quota says so', async (format) => {
  await withImage(format, async (tree) => {
    const support = await supported(tree);
    expect(support).toMatchObject({ ok: false, reason: expect.stringContaining('prjquota') });
    await tree.mkdir('d', 0o700);
    expect(await getProject(tree, 'd')).toBe(0);
  });
});

test('another filesystem is refused by its type', async () => {
  await withTree(async ({ io, root }) => {
    const mountPoint = join(root, 'm');
    mkdirSync(mountPoint);
    execFileSync('mount', ['-t', 'tmpfs', 'none', mountPoint]);
    try {
      writeFileSync(join(mountPoint, 'x'), '');
      const tree = await Tree.open(io, 'test', mountPoint);
      expect(await supported(tree)).toMatchObject({ ok: false, reason: expect.stringContaining('0x1021994') });
      await tree.close();
    } finally {
      execFileSync('umount', [mountPoint]);
    }
  });
});
