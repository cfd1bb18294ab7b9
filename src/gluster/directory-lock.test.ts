import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DirectoryLock } from './directory-lock.js';

describe('DirectoryLock', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lock-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('has one holder, who leaves nothing behind', async () => {
    const first = await DirectoryLock.acquire(directory);
    await expect(DirectoryLock.acquire(directory)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining(`"pid":${process.pid}`) as string,
    });
    await first.release();
    expect(await readdir(directory)).toEqual([]);
    await (await DirectoryLock.acquire(directory)).release();
  });

  it('goes to exactly one of many who come at once', async () => {
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => DirectoryLock.acquire(directory)));
    const holders = results.filter((result) => result.status === 'fulfilled');
    expect(holders).toHaveLength(1);
    await holders[0]?.value.release();
  });
});
