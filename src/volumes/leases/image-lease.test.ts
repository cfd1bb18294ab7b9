import { mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { withTree, type TreeBench } from '../../linux/testing.js';
import { imageLeaseDirectory, imagePath } from '../records/layout.js';
import { acquireImage, currentImage, forgetImageLeases, releaseImage, type ImageUser } from './image-lease.js';
import { takeoverPath, turnPath, turnTemporary } from './image-lease-files.js';

const record = { id: 'pvc-1', pool: 'p', path: 'volumes/ab/pvc-1' };
const node = (name: string, boot = 'boot'): ImageUser => ({ node: name, machineId: `machine-${name}`, bootId: boot });
const [a, b] = [node('a'), node('b')];
const leases = imageLeaseDirectory(record.id);

async function withImage(work: (bench: TreeBench) => Promise<void>): Promise<void> {
  await withTree(async (bench) => {
    mkdirSync(join(bench.root, '.kayal'), { mode: 0o700 });
    mkdirSync(join(bench.root, record.path), { recursive: true });
    writeFileSync(join(bench.root, imagePath(record.path, 1)), 'image');
    await work(bench);
  });
}

describe('an image lease', () => {
  it('is held by one node until that one releases it', async () => {
    await withImage(async ({ tree }) => {
      expect(await currentImage(tree, record)).toMatchObject({ epoch: 1, takeover: false });
      expect(await acquireImage(tree, record, a)).toEqual({ epoch: 1, path: `${record.path}/image.1` });
      expect(await acquireImage(tree, record, a)).toEqual({ epoch: 1, path: `${record.path}/image.1` });
      const held = await currentImage(tree, record);
      expect(held?.holder).toMatchObject(a);
      await expect(acquireImage(tree, record, b)).rejects.toMatchObject({
        code: 'FAILED_PRECONDITION',
        message: expect.stringMatching(
          `in use by node a since ${held?.holder?.since}.*out-of-service.*kayal volume release p/pvc-1 --node a`,
        ) as string,
      });
      await releaseImage(tree, record.id, b);
      expect((await currentImage(tree, record))?.holder).toMatchObject(a);
      await releaseImage(tree, record.id, a);
      await releaseImage(tree, record.id, a);
      expect((await currentImage(tree, record))?.holder).toBeUndefined();
      await acquireImage(tree, record, b);
      expect((await currentImage(tree, record))?.holder).toMatchObject(b);
    });
  });

  it('goes to exactly one of many that try at once', async () => {
    await withImage(async ({ tree, root }) => {
      const nodes = Array.from({ length: 24 }, (_, n) => node(`n${n}`));
      for (let round = 0; round < 5; round++) {
        const outcomes = await Promise.allSettled(nodes.map((self) => acquireImage(tree, record, self)));
        const winners = nodes.filter((_, n) => outcomes[n]?.status === 'fulfilled');
        expect(winners).toHaveLength(1);
        const [winner] = winners;
        expect((await currentImage(tree, record))?.holder).toMatchObject(winner ?? {});
        await Promise.all(nodes.map((self) => releaseImage(tree, record.id, self)));
      }
      expect(readdirSync(join(root, leases))).toEqual(['pvc-1.1.5.free']);
    });
  });

  it('passes to the same machine after a reboot, and not to another machine of that name', async () => {
    await withImage(async ({ tree }) => {
      await acquireImage(tree, record, a);
      const other = { ...node('a', 'later'), machineId: 'another' };
      await expect(acquireImage(tree, record, other)).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
      await releaseImage(tree, record.id, other);
      await acquireImage(tree, record, node('a', 'later'));
      expect((await currentImage(tree, record))?.holder?.bootId).toBe('later');
      await acquireImage(tree, record, { ...node('a', 'last'), machineId: '' });
      expect((await currentImage(tree, record))?.holder?.bootId).toBe('last');
    });
  });

  it('is not ended by a release that comes late', async () => {
    await withImage(async ({ tree }) => {
      await acquireImage(tree, record, a);
      await releaseImage(tree, record.id, a);
      await acquireImage(tree, record, b);
      // What a release by `a` does that hung until now.
      const late = { epoch: 1, turn: 1 };
      const moved = await tree.rename(
        turnPath(record.id, { ...late, state: 'held' }),
        turnPath(record.id, { ...late, state: 'free' }),
      );
      expect(moved).toBe(false);
      expect((await currentImage(tree, record))?.holder).toMatchObject(b);
    });
  });

  it('is not got by a node that comes late into an old turn', async () => {
    await withImage(async ({ tree }) => {
      for (const self of [a, b, a, b]) {
        await acquireImage(tree, record, self);
        if (self !== b) await releaseImage(tree, record.id, self);
        else await releaseImage(tree, record.id, b);
      }
      await acquireImage(tree, record, a);
      // A node that was stopped before its link(2), three turns ago, and killed after it.
      const late = { epoch: 1, turn: 2, state: 'held' } as const;
      await tree.createFile(turnTemporary(record.id, late, 'c'), turnPath(record.id, late), Buffer.from('{}'));
      expect((await currentImage(tree, record))?.holder).toMatchObject(a);
      await expect(acquireImage(tree, record, b)).rejects.toMatchObject({
        message: expect.stringMatching('node a') as string,
      });
    });
  });

  it('ends with the epoch of the image, and cannot be had while that ends', async () => {
    await withImage(async ({ tree, root }) => {
      await acquireImage(tree, record, a);
      writeFileSync(join(root, takeoverPath(record.id, 1)), '');
      for (const self of [a, b]) {
        await expect(acquireImage(tree, record, self)).rejects.toMatchObject({ code: 'ABORTED' });
      }
      expect(await currentImage(tree, record)).toMatchObject({ takeover: true, holder: a });
      renameSync(join(root, imagePath(record.path, 1)), join(root, imagePath(record.path, 2)));
      expect(await acquireImage(tree, record, b)).toMatchObject({ epoch: 2 });
      await releaseImage(tree, record.id, a);
      expect((await currentImage(tree, record))?.holder).toMatchObject(b);
      expect(readdirSync(join(root, leases))).toEqual(['pvc-1.2.1.json']);
    });
  });

  it('is held by somebody while its file cannot be understood', async () => {
    await withImage(async ({ tree, root }) => {
      await acquireImage(tree, record, a);
      writeFileSync(join(root, turnPath(record.id, { epoch: 1, turn: 1, state: 'held' })), '{');
      await expect(acquireImage(tree, record, a)).rejects.toMatchObject({
        code: 'FAILED_PRECONDITION',
        message: expect.stringMatching('damaged') as string,
      });
    });
  });

  it('leaves nothing of a volume that is gone, and all of the others', async () => {
    await withImage(async ({ tree, root }) => {
      mkdirSync(join(root, leases), { recursive: true });
      const others = ['pvc-1.1.1.1.json', 'pvc-11.1.1.json', 'pvc-1.x.1.2.json'];
      for (const name of others) writeFileSync(join(root, leases, name), '{}');
      await acquireImage(tree, record, a);
      writeFileSync(join(root, turnTemporary(record.id, { epoch: 1, turn: 2, state: 'held' }, 'b')), '');
      writeFileSync(join(root, takeoverPath(record.id, 1)), '');
      await forgetImageLeases(tree, record.id);
      expect(readdirSync(join(root, leases)).sort()).toEqual(others.sort());
    });
  });

  it('needs an image', async () => {
    await withTree(async ({ tree }) => {
      expect(await currentImage(tree, record)).toBeUndefined();
      await expect(acquireImage(tree, record, a)).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    });
  });
});
