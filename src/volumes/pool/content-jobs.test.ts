import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { deferred } from '../../base/deferred.js';
import { ContentJobs } from './content-jobs.js';

describe('ContentJobs', () => {
  it('runs one job per key, and answers with its progress while it runs', async () => {
    const jobs = new ContentJobs();
    const end = deferred<void>();
    let runs = 0;
    const work = async ({ report }: { readonly report: (text: string) => void }): Promise<void> => {
      runs++;
      report('3 entries');
      await end.promise;
    };
    jobs.start('k', work);
    jobs.start('k', work);
    await expect(jobs.wait('k', 10, 'volume p/k')).rejects.toMatchObject({
      code: 'ABORTED',
      message: 'volume p/k is being made: 3 entries; retry',
    });
    end.resolve();
    await jobs.wait('k', 1_000, 'volume p/k');
    expect([runs, jobs.isRunning('k')]).toEqual([1, false]);
  });

  it('tells a failure once, and forgets it when the job begins again', async () => {
    const jobs = new ContentJobs();
    const fail = (): Promise<void> => Promise.reject(new Error('no space'));
    jobs.start('k', fail);
    await expect(jobs.wait('k', 1_000, 'it')).rejects.toThrow('no space');
    await jobs.wait('k', 1_000, 'it');
    jobs.start('k', fail);
    await sleep(1);
    jobs.start('k', () => Promise.resolve());
    await jobs.wait('k', 1_000, 'it');
  });

  it('forgets how a job failed when nobody wants any more what it should have made', async () => {
    const jobs = new ContentJobs();
    jobs.start('k', () => Promise.reject(new Error('no space')));
    await sleep(1);
    await jobs.cancel('k');
    await expect(jobs.wait('k', 10, 'it')).resolves.toBeUndefined();
  });

  it('cancels a job and waits for its end; starts none once it is closed', async () => {
    const jobs = new ContentJobs();
    let ended = false;
    jobs.start('k', async ({ signal }) => {
      await sleep(60_000, undefined, { signal }).catch(() => undefined);
      await sleep(5);
      ended = true;
      throw new Error('cancelled');
    });
    await jobs.cancel('k');
    expect(ended).toBe(true);
    await jobs.wait('k', 10, 'it');
    await jobs.close();
    jobs.start('k', () => Promise.resolve());
    expect(jobs.isRunning('k')).toBe(false);
  });
});
