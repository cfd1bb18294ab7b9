import { expect, test } from 'vitest';
import { slowFirst } from './slow-files.js';

test('what takes long is begun first, the rest by its name', () => {
  expect(slowFirst(['b.test.ts', 'node-kill-points.test.ts', 'a.test.ts', 'layouts.test.ts'])).toEqual([
    'layouts.test.ts',
    'node-kill-points.test.ts',
    'a.test.ts',
    'b.test.ts',
  ]);
});
