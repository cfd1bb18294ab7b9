import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { copyTree, type CopyProgress } from './copy-tree.js';
import { withTree, type TreeBench } from './testing.js';

const copy = ({ tree }: TreeBench, check: (progress: CopyProgress) => void = () => undefined): Promise<CopyProgress> =>
  copyTree({ source: { tree, path: 'source' }, target: { tree, path: 'target' }, check });

function prepare({ root }: TreeBench): { readonly source: string; readonly target: string } {
  const [source, target] = [join(root, 'source'), join(root, 'target')];
  mkdirSync(source);
  mkdirSync(target, { mode: 0o700 });
  return { source, target };
}

/** Names, types, permissions, owners, sizes, link counts, times and targets: what `find` can say of a tree. */
const described = (directory: string): string =>
  execFileSync(
    'sh',
    [
      '-c',
      "find . -printf '%p %y %m %U %G %s %n %T@ %l\\n' | sed 's/^\\(.* d [^ ]* [^ ]* [^ ]*\\) [0-9]* /\\1 /' | sort",
    ],
    {
      cwd: directory,
      encoding: 'utf8',
    },
  );

test('many directories, files and links of every kind', async () => {
  await withTree(async (bench) => {
    const { source, target } = prepare(bench);
    for (let n = 0; n < 60; n++) {
      const directory = join(source, `d${n % 7}/e${n}`);
      mkdirSync(directory, { recursive: true, mode: 0o750 });
      for (let m = 0; m < 30; m++) writeFileSync(join(directory, String(m)), 'x'.repeat(n * m), { mode: 0o640 });
      symlinkSync('../'.repeat(n % 9) + 'nowhere', join(directory, 'link'));
      linkSync(join(directory, '1'), join(source, `d0/hard${n}`));
      linkSync(join(directory, '1'), join(directory, 'hard'));
    }
    const odd = [Buffer.from([0xff, 0xfe]), Buffer.from('a\nb'), Buffer.alloc(255, 'x')];
    for (const name of odd) {
      const path = Buffer.concat([Buffer.from(`${source}/`), name]);
      mkdirSync(path);
      writeFileSync(Buffer.concat([path, Buffer.from('/'), name]), name);
    }
    execFileSync('mkfifo', ['-m', '0604', join(source, 'fifo')]);
    execFileSync('mknod', [join(source, 'null'), 'c', '1', '3']);
    execFileSync('chown', ['1234:567', join(source, 'd1'), join(source, 'fifo')]);
    execFileSync('chmod', ['3711', source]);
    execFileSync('touch', ['-d', '2001-02-03T04:05:06.789012345', join(source, 'd2'), join(source, 'd3/e3/5')]);
    execFileSync('touch', ['-h', '-d', '1969-01-01T00:00:00.5', join(source, 'd4/e4/link')]);

    const progress = await copy(bench);
    expect(described(target)).toBe(described(source));
    execFileSync('diff', ['-r', '--no-dereference', '--exclude=fifo', '--exclude=null', source, target]);
    expect(progress).toMatchObject({ changed: 0, lost: 0 });
    expect(lstatSync(join(target, 'null')).rdev).toBe(lstatSync(join(source, 'null')).rdev);
  });
});

test('large files in several slices, with holes', async () => {
  await withTree(async (bench) => {
    const { source, target } = prepare(bench);
    const block = Buffer.alloc(1024 * 1024, 'data');
    for (let n = 0; n < 40; n++) appendFileSync(join(source, 'large'), block);
    execFileSync('dd', ['if=/dev/urandom', `of=${source}/sparse`, 'bs=4096', 'count=3', 'seek=5000', 'status=none']);
    truncateSync(join(source, 'sparse'), 1_000_000_001);
    await copy(bench);
    for (const name of ['large', 'sparse']) execFileSync('cmp', [join(source, name), join(target, name)]);
    expect(lstatSync(join(target, 'sparse')).blocks).toBeLessThan(200);
  });
}, 60_000);

test('a source that is in use: no file of two halves', async () => {
  await withTree(async (bench) => {
    const { source, target } = prepare(bench);
    for (let n = 0; n < 300; n++) writeFileSync(join(source, `f${n}`), 'a'.repeat(20_000));
    const over = new AbortController();
    const disturb = async (): Promise<void> => {
      for (let n = 0; !over.signal.aborted; n = (n + 1) % 300) {
        const letter = String.fromCodePoint(97 + (n % 26));
        writeFileSync(join(source, `.new`), letter.repeat(20_000));
        renameSync(join(source, `.new`), join(source, `f${n}`));
        rmSync(join(source, `f${(n * 7) % 300}`), { force: true });
        await turn();
      }
    };
    const disturbing = disturb();
    await copy(bench).finally(() => {
      over.abort();
    });
    await disturbing;
    const torn = readdirSync(target).filter((name) => {
      const content = readFileSync(join(target, name), 'utf8');
      return name !== '.new' && content !== (content[0] ?? '').repeat(20_000);
    });
    expect(torn).toEqual([]);
  });
});

test('ends when its check says so, and when source or target is gone', async () => {
  await withTree(async (bench) => {
    const { source } = prepare(bench);
    writeFileSync(join(source, 'f'), '');
    const stop = (): void => {
      throw new Error('enough');
    };
    await expect(copy(bench, stop)).rejects.toThrow('enough');
    const { tree } = bench;
    const of = (from: string, to: string): Promise<CopyProgress> =>
      copyTree({ source: { tree, path: from }, target: { tree, path: to }, check: () => undefined });
    await expect(of('nowhere', 'target')).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(of('source', 'nowhere')).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

test('what is mounted in the source, or lies too deep, is an error and not left out', async () => {
  await withTree(async (bench) => {
    const { source } = prepare(bench);
    mkdirSync(join(source, 'mount'));
    execFileSync('mount', ['-t', 'tmpfs', 'none', join(source, 'mount')]);
    try {
      await expect(copy(bench)).rejects.toMatchObject({ code: 'EXDEV' });
    } finally {
      execFileSync('umount', [join(source, 'mount')]);
    }
  });
});
