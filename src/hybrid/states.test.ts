import { mkdirSync, readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { withTree, type TreeBench } from '../linux/testing.js';
import { encodeStart, type StateHeader } from './format.js';
import { adoptStates, currentState, removeOtherStates, stateFile, type StateName } from './states.js';
import { shouldBeWhole } from './sync.js';

const MiB = 1024 * 1024;
const DIRECTORY = 'volumes/ab/pvc-1';

async function withVolume(work: (bench: TreeBench & { directory: string }) => Promise<void>): Promise<void> {
  await withTree(async (bench) => {
    const directory = join(bench.root, DIRECTORY);
    mkdirSync(directory, { recursive: true });
    await work({ ...bench, directory });
  });
}

/** Writes a state of one block; `before`: the numbers of those that it builds upon. */
function put(root: string, name: StateName, before: readonly number[], id = `${name.turn}-${name.n}`): void {
  const header: StateHeader = {
    format: 1,
    volume: 'p/pvc-1',
    id,
    n: name.n,
    size: MiB,
    reaches: '2026-11-22T02:00:00.000Z',
    before: before.map((n) => ({ n, bytes: 8192 })),
  };
  const start = encodeStart(header, [{ offset: 0, length: 4096, zero: false }]);
  writeFileSync(join(root, stateFile(DIRECTORY, name)), Buffer.concat([start, Buffer.alloc(4096, name.n)]));
}

describe('the state that counts', () => {
  it('is the newest one, with those that it builds upon', async () => {
    await withVolume(async ({ tree, root }) => {
      expect(await currentState(tree, DIRECTORY)).toBeUndefined();
      put(root, { turn: 1, n: 1 }, []);
      put(root, { turn: 1, n: 2 }, [1]);
      put(root, { turn: 1, n: 4 }, [1, 2]);
      writeFileSync(join(root, DIRECTORY, '.state.1.5.new'), 'half');
      expect(await currentState(tree, DIRECTORY)).toMatchObject({
        turn: 1,
        n: 4,
        steps: [
          { turn: 1, n: 1 },
          { turn: 1, n: 2 },
          { turn: 1, n: 4 },
        ],
        bytes: 3 * 8192,
      });
    });
  });

  it('is nobody else’s once a turn has taken it over, whatever the former holder writes and removes late', async () => {
    await withVolume(async ({ tree, root, directory }) => {
      put(root, { turn: 1, n: 1 }, []);
      put(root, { turn: 1, n: 2 }, [1]);
      const found = await currentState(tree, DIRECTORY);
      if (found === undefined) throw new Error('there is one');
      const adopted = await adoptStates(tree, DIRECTORY, 2, found);
      expect(adopted).toMatchObject({ turn: 2, n: 2, header: { id: '1-2' } });
      // The former holder writes on: what changed, and then everything, and clears up.
      put(root, { turn: 1, n: 3 }, [1, 2], 'late');
      put(root, { turn: 1, n: 4 }, [], 'late');
      await removeOtherStates(tree, DIRECTORY, 1, [{ turn: 1, n: 4 }]);
      expect(await currentState(tree, DIRECTORY)).toMatchObject({ turn: 2, n: 2, steps: adopted.steps });
      put(root, { turn: 2, n: 3 }, [1, 2]);
      expect(await currentState(tree, DIRECTORY)).toMatchObject({ turn: 2, n: 3, header: { id: '2-3' } });
      await removeOtherStates(
        tree,
        DIRECTORY,
        2,
        [1, 2, 3].map((n) => ({ turn: 2, n })),
      );
      expect(readdirSync(directory).sort()).toEqual(['state.2.1', 'state.2.2', 'state.2.3']);
    });
  });

  it('is whole at each step of being taken over', async () => {
    await withVolume(async ({ tree, root }) => {
      for (const n of [1, 2, 3])
        put(
          root,
          { turn: 1, n },
          Array.from({ length: n - 1 }, (_, index) => index + 1),
        );
      // In the order in which it is done, and cut off after each step.
      for (const n of [3, 2, 1]) {
        await tree.rename(stateFile(DIRECTORY, { turn: 1, n }), stateFile(DIRECTORY, { turn: 2, n }));
        put(root, { turn: 1, n: 4 }, [1, 2, 3], 'late');
        expect(await currentState(tree, DIRECTORY)).toMatchObject({ n: 3, header: { id: '1-3' } });
      }
    });
  });

  it('is an error when it is damaged, or a part of it is missing', async () => {
    await withVolume(async ({ tree, root }) => {
      put(root, { turn: 1, n: 2 }, [1]);
      await expect(currentState(tree, DIRECTORY)).rejects.toThrow('is not complete');
      put(root, { turn: 1, n: 3 }, []);
      truncateSync(join(root, stateFile(DIRECTORY, { turn: 1, n: 3 })), 5000);
      await expect(currentState(tree, DIRECTORY)).rejects.toThrow('it has 5000 bytes of 8192');
    });
  });
});

describe('a state that holds everything', () => {
  const steps = [{ bytes: 100 * MiB }, { bytes: 50 * MiB }];
  it.each([
    ['when there is none', [], 100 * MiB, MiB, true],
    ['not for a few changes', steps, 120 * MiB, MiB, false],
    ['when its successors have grown to its size', steps, 120 * MiB, 71 * MiB, true],
    ['when there would be no room for another one', [{ bytes: 900 * MiB }], 900 * MiB, 150 * MiB, true],
    ['after many successors', Array.from({ length: 32 }, () => ({ bytes: 4096 })), 100 * MiB, 4096, true],
  ] as const)('%s', (_, before, whole, changed, wanted) => {
    expect(shouldBeWhole(before, whole, changed, 512 * MiB)).toBe(wanted);
  });
});
