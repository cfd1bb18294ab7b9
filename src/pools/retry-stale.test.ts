import { expect, test } from 'vitest';
import { SystemError } from '../base/errors.js';
import { retryStale } from './retry-stale.js';

test('ESTALE is tried again, other failures are not', async () => {
  let calls = 0;
  const read = (): Promise<string> =>
    ++calls < 3 ? Promise.reject(new SystemError('ESTALE', 'openat2', 'f')) : Promise.resolve('new');
  expect(await retryStale(read)).toBe('new');
  expect(calls).toBe(3);
  calls = 0;
  const dead = (): Promise<string> => {
    calls++;
    return Promise.reject(new SystemError('ENOTCONN', 'openat2', 'f'));
  };
  await expect(retryStale(dead)).rejects.toThrow('ENOTCONN');
  expect(calls).toBe(1);
});
