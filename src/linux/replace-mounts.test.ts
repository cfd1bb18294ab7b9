import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { mountNamespaces, mountsOf, ownNamespace, type NamespaceId } from './mount-namespaces.js';
import { readMountinfo, topMount, type MountEntry } from './mountinfo.js';
import type { Replacement } from './operations/replace-mounts.js';
import { unmount } from './mount.js';
import { withTree, type TreeBench } from './testing.js';

interface Bench extends TreeBench {
  readonly namespace: NamespaceId;
  /** Where `volume` of an older tree is mounted there. */
  readonly target: string;
  /** Where a directory is mounted here that the mount at `target/nested` shows. */
  readonly cache: string;
  readonly mounts: () => Promise<MountEntry[]>;
}

/** Prints the mount namespace's id once everything is mounted, and stays. */
const CONTAINER = `
set -e
mount --bind "$1/old/volume" "$2"
mount -o remount,bind,ro,nosuid "$2"
mount --bind "$3" "$2/nested"
echo ready
exec sleep 60
`;

async function withContainer(work: (bench: Bench) => Promise<void>): Promise<void> {
  await withTree(async (bench) => {
    const { outside, root, io } = bench;
    const [target, cache] = [join(outside, 'target'), join(outside, 'cache')];
    for (const path of [target, cache, join(outside, 'old/volume/nested'), join(root, 'volume/nested')]) {
      mkdirSync(path, { recursive: true });
    }
    writeFileSync(join(outside, 'old/volume/file'), 'old');
    writeFileSync(join(root, 'volume/file'), 'new');
    execFileSync('mount', ['-t', 'tmpfs', 'cache', cache]);
    writeFileSync(join(cache, 'kept'), 'kept');
    const args = ['--mount', '--propagation', 'private', 'sh', '-c', CONTAINER, 'sh', outside, target, cache];
    const child: ChildProcess = spawn('unshare', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      if (child.stdout !== null) await once(child.stdout, 'data');
      const namespace = (await mountNamespaces()).find(({ pids }) => pids.some((pid) => pid === child.pid));
      if (namespace === undefined) throw new Error('the container has no mount namespace of its own');
      await work({ ...bench, namespace, target, cache, mounts: async () => (await mountsOf(namespace)) ?? [] });
    } finally {
      child.kill('SIGKILL');
      await unmount(io, 'test', cache, { detach: true });
    }
  });
}

async function replacementOf({ mounts, target, cache }: Bench): Promise<Replacement> {
  const old = topMount(await mounts(), target);
  const dev = topMount(await readMountinfo(), cache)?.dev ?? '';
  return {
    id: old?.id ?? 0,
    target,
    path: 'volume',
    options: old?.options ?? [],
    shared: false,
    nested: [
      {
        target: join(target, 'nested'),
        parent: undefined,
        place: 'nested',
        source: { namespace: undefined, absolute: cache, dev },
        options: ['ro', 'noexec', 'relatime'],
        shared: false,
      },
    ],
  };
}

function readThere({ namespace }: Bench, path: string): string {
  return execFileSync('nsenter', ['-t', String(namespace.pids[0]), '-m', 'cat', path], { encoding: 'utf8' });
}

for (const [outcome, atomic] of [
  ['swapped', true],
  ['remounted', false],
] as const) {
  test(`a mount in another namespace is ${outcome}, with what is nested in it and with its options`, async () => {
    await withContainer(async (bench) => {
      const { tree, namespace, target, mounts } = bench;
      expect(readThere(bench, join(target, 'file'))).toBe('old');
      const wish = await replacementOf(bench);
      for (let round = 0; round < 2; round++) {
        const again = { ...wish, id: topMount(await mounts(), target)?.id ?? 0 };
        const results = await tree.replaceMounts(namespace, [again], { atomic });
        expect(results).toEqual([{ target, outcome, lost: [] }]);
        expect(readThere(bench, join(target, 'file'))).toBe('new');
        expect(readThere(bench, join(target, 'nested/kept'))).toBe('kept');
      }
      const there = (await mounts()).filter((entry) => entry.target.startsWith(target));
      expect(there.map((entry) => [entry.target, entry.options.toSorted().join(), entry.optional])).toEqual([
        [target, 'nosuid,relatime,ro', []],
        [join(target, 'nested'), 'noexec,relatime,ro', []],
      ]);
      expect((await readMountinfo()).some((entry) => entry.target === target)).toBe(false);
    });
  });
}

test('a replacement that was cut off is done again: nothing is left below the new mount', async () => {
  await withContainer(async (bench) => {
    const { tree, namespace, target, mounts } = bench;
    const wish = await replacementOf(bench);
    const old = topMount(await mounts(), target);
    const stacked = async (): Promise<number[]> =>
      (await mounts()).filter((entry) => entry.target === target).map(({ id }) => id);
    // As after a kill between both steps: the old one is still on top.
    const pid = String(namespace.pids[0]);
    execFileSync('nsenter', ['-t', pid, '-m', 'mount', '--bind', target, target]);
    const [below = 0, top = 0] = await stacked();
    expect(below).toBe(old?.id);
    const results = await tree.replaceMounts(namespace, [{ ...wish, id: top, below: [below] }], { atomic: true });
    expect(results).toEqual([{ target, outcome: 'swapped', lost: [] }]);
    expect(await stacked()).toHaveLength(1);
    expect(readThere(bench, join(target, 'file'))).toBe('new');
    const gone = await tree.replaceMounts(namespace, [{ ...wish, id: top, below: [below] }], { atomic: true });
    expect(gone).toMatchObject([{ target, outcome: 'gone' }]);
  });
});

test('the thread is back in its own namespace, whatever happened', async () => {
  await withContainer(async (bench) => {
    const { tree, namespace, target, cache, io } = bench;
    const wish = await replacementOf(bench);
    await tree.replaceMounts(namespace, [wish], { atomic: true });
    const missing = await tree.replaceMounts(namespace, [{ ...wish, path: 'absent' }], { atomic: true });
    expect(missing).toMatchObject([{ target, outcome: 'failed', problem: { code: 'ENOENT' } }]);
    const stranger = { ...namespace, id: await ownNamespace() };
    await expect(tree.replaceMounts(stranger, [wish], { atomic: true })).rejects.toMatchObject({ code: 'EAGAIN' });
    // Only here is something mounted on it.
    expect(await unmount(io, 'test', cache, { detach: true })).toBe(true);
    expect(readThere(bench, join(cache, 'kept'))).toBe('kept');
  });
});

test('only the mount that was meant is taken away', async () => {
  await withContainer(async (bench) => {
    const { tree, namespace, target, mounts } = bench;
    const wish = await replacementOf(bench);
    const before = await mounts();
    const results = await tree.replaceMounts(namespace, [{ ...wish, id: wish.id + 100_000 }], { atomic: true });
    expect(results).toEqual([{ target, outcome: 'gone', lost: [] }]);
    expect(await mounts()).toEqual(before);
  });
});

for (const atomic of [true, false]) {
  test(`below a shared mount, ${atomic ? 'swapped' : 'remounted'}: those who follow it are mended as well`, async () => {
    await withTree(async ({ tree, root, outside, io }) => {
      const target = join(outside, 'target');
      for (const path of [target, join(outside, 'old/volume'), join(root, 'volume')]) {
        mkdirSync(path, { recursive: true });
      }
      writeFileSync(join(root, 'volume/file'), 'new');
      execFileSync('mount', ['--bind', outside, outside]);
      execFileSync('mount', ['--make-shared', outside]);
      execFileSync('mount', ['--bind', join(outside, 'old/volume'), target]);
      execFileSync('mount', ['--make-private', target]);
      const child = spawn('unshare', ['--mount', '--propagation', 'slave', 'sh', '-c', 'echo ready; exec sleep 60'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      try {
        await once(child.stdout, 'data');
        const namespace = (await mountNamespaces()).find(({ pids }) => pids.some((pid) => pid === child.pid));
        if (namespace === undefined) throw new Error('no mount namespace');
        const looks = topMount(await readMountinfo(), target);
        const wish = { target, path: 'volume', options: looks?.options ?? [], shared: false, nested: [] };
        const results = await tree.replaceMounts(undefined, [{ ...wish, id: looks?.id ?? 0 }], { atomic });
        expect(results).toEqual([{ target, outcome: atomic ? 'swapped' : 'remounted', lost: [] }]);
        for (const entries of [await readMountinfo(), (await mountsOf(namespace)) ?? []]) {
          const mounts = entries.filter((entry) => entry.target === target);
          expect(mounts.map((entry) => entry.root.endsWith('/root/volume'))).toEqual([true]);
        }
        expect(topMount(await readMountinfo(), target)?.optional).toEqual([]);
      } finally {
        child.kill('SIGKILL');
        for (const path of [target, outside]) while (await unmount(io, 'test', path, { detach: true }));
      }
    });
  });
}
