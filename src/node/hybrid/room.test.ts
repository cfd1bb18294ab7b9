import { describe, expect, it } from 'vitest';
import { withTree } from '../../linux/testing.js';
import { Room } from './room.js';

describe('the room for copies', () => {
  it('is promised three times each, and spare copies go for others, the oldest first', async () => {
    await withTree(async ({ tree }) => {
      const removed: string[] = [];
      const remove = (place: string): Promise<void> => {
        removed.push(place);
        return Promise.resolve();
      };
      const room = new Room({ local: tree, maxBytes: 90n, remove });
      await room.take('a', 10n, 'p/a');
      await room.take('a', 10n, 'p/a');
      await room.take('b', 10n, 'p/b');
      await room.take('c', 10n, 'p/c');
      await expect(room.take('d', 1n, 'p/d')).rejects.toMatchObject({
        code: 'RESOURCE_EXHAUSTED',
        message: expect.stringContaining('--hybrid-size') as string,
      });
      room.note('b', 10n, true);
      room.note('a', 10n, true);
      await room.take('d', 5n, 'p/d');
      expect(removed).toEqual(['b']);
      await room.take('d', 15n, 'p/d');
      expect(removed).toEqual(['b', 'a']);
      await expect(room.take('d', 21n, 'p/d')).rejects.toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
      room.forget('c');
      await room.take('d', 21n, 'p/d');
    });
  });
});
