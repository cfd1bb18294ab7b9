import { describe, expect, it } from 'vitest';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { withTree, type TreeBench } from '../../linux/testing.js';
import { endTurn, hasTurn, heldTurn, takeTurn } from './hybrid-turn.js';
import type { ImageUser } from './image-lease.js';

const record = { id: 'pvc-1', pool: 'p', path: 'volumes/ab/pvc-1' };
const node = (name: string, boot = 'boot'): ImageUser => ({ node: name, machineId: `machine-${name}`, bootId: boot });
const [a, b] = [node('a'), node('b')];

async function withPool(work: (bench: TreeBench) => Promise<void>): Promise<void> {
  await withTree(async (bench) => {
    mkdirSync(join(bench.root, '.kayal'), { mode: 0o700 });
    await work(bench);
  });
}

describe('the turn of a hybrid volume', () => {
  it('is one node’s until it ends, over a reboot of that node, and the next one has a higher number', async () => {
    await withPool(async ({ tree }) => {
      expect(await takeTurn(tree, record, a, 1)).toBe(1);
      expect(await takeTurn(tree, record, node('a', 'later'), 5)).toBe(1);
      await expect(takeTurn(tree, record, b, 1)).rejects.toMatchObject({
        code: 'FAILED_PRECONDITION',
        message: expect.stringMatching(/in use by node a since .*kayal volume release p\/pvc-1 --node a/) as string,
      });
      expect(await hasTurn(tree, record.id, 1, a)).toBe(true);
      expect(await hasTurn(tree, record.id, 1, b)).toBe(false);
      await endTurn(tree, record.id, 1);
      await endTurn(tree, record.id, 1);
      expect(await heldTurn(tree, record.id)).toBeUndefined();
      expect(await hasTurn(tree, record.id, 1, a)).toBe(false);
      expect(await takeTurn(tree, record, b, 1)).toBe(2);
      // A release that comes late ends its own turn, and nobody else's.
      await endTurn(tree, record.id, 1);
      expect(await heldTurn(tree, record.id)).toMatchObject({ turn: 2, holder: b });
    });
  });

  it('has a higher number than the states of a volume that was copied', async () => {
    await withPool(async ({ tree }) => {
      expect(await takeTurn(tree, record, a, 8)).toBe(8);
    });
  });

  it('goes to exactly one of many that try at once', async () => {
    await withPool(async ({ tree }) => {
      const nodes = Array.from({ length: 12 }, (_, n) => node(`n${n}`));
      for (let round = 1; round <= 4; round++) {
        const outcomes = await Promise.allSettled(nodes.map((self) => takeTurn(tree, record, self, 1)));
        expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
        const held = await heldTurn(tree, record.id);
        expect(held?.turn).toBe(round);
        await endTurn(tree, record.id, round);
      }
    });
  });
});
