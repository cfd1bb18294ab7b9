import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { IoThread, type IoOutcome } from './io-thread.js';
import type { IoWorkers } from './io-workers.js';
import { withDirectory, withHungMount, withWorkers } from './testing.js';

interface Bench {
  readonly io: IoWorkers;
  readonly hung: string;
  readonly fine: string;
  readonly release: () => void;
}

async function withHungPool(work: (bench: Bench) => Promise<void>): Promise<void> {
  await withDirectory(async (directory) => {
    const hung = join(directory, 'hung');
    const fine = join(directory, 'fine');
    mkdirSync(hung);
    mkdirSync(fine);
    await withHungMount(hung, async (release) => withWorkers(async (io) => work({ io, hung, fine, release })));
  });
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(5);
}

const hang = async ({ io, hung }: Bench, deadlineMs: number): Promise<string> => {
  try {
    await io.run('slow', 'openRoot', [hung], { deadlineMs });
    return 'answered';
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
};

test('a value, a failed system call and a bug come back as what they are', async () => {
  await withWorkers(async (io) => {
    const { fd, dev } = await io.run('pool', 'openRoot', ['/']);
    expect(dev).toMatch(/^\d+:\d+$/);
    await io.run('pool', 'closeRoot', [fd]);
    await expect(io.run('pool', 'openRoot', ['/no/such'])).rejects.toMatchObject({
      name: 'SystemError',
      code: 'ENOENT',
      call: 'openat2',
      path: '/no/such',
    });
    await expect(io.run('pool', 'stat', [-1, { bad: true } as unknown as string])).rejects.toThrow('includes');
  });
});

test('a call that hangs is given up, and says what it was', async () => {
  await withHungPool(async ({ io, hung }) => {
    const started = performance.now();
    await expect(io.run('slow', 'openRoot', [hung], { deadlineMs: 150 })).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      message: `pool slow did not answer within 0.15 s (openRoot of ${hung})`,
    });
    expect(performance.now() - started).toBeLessThan(10_000);
    expect(io.stuck('slow')).toBe(1);
  });
});

test('while pools hang and take all threads, another one is served', async () => {
  await withHungPool(async ({ io, hung, fine, release }) => {
    const calls = ['slow', 'slower'].flatMap((key) =>
      Array.from({ length: 10 }, () => io.run(key, 'openRoot', [hung])),
    );
    let settled = false;
    const all = Promise.allSettled(calls).finally(() => {
      settled = true;
    });
    const { fd } = await io.run('fine', 'openRoot', [fine]);
    await io.run('fine', 'closeRoot', [fd]);
    expect(settled).toBe(false);
    release();
    for (const outcome of await all)
      expect(outcome).toMatchObject({ status: 'rejected', reason: { name: 'SystemError' } });
  });
});

test('a thread that dies fails its call, and says why', async () => {
  const script = new URL('data:text/javascript,throw new Error("no such module")');
  const outcome = await new Promise<IoOutcome>((resolve) => {
    new IoThread(script, () => undefined).ask({ op: 'stat', args: [] }, resolve);
  });
  expect(outcome).toEqual({ kind: 'died', message: 'no such module' });
});

test('arguments that no message can carry are a bug and not the end of the thread', async () => {
  await withWorkers(async (io) => {
    const symbol = Symbol('x') as unknown as string;
    await expect(io.run('pool', 'openRoot', [symbol])).rejects.toThrow('could not be cloned');
    await expect(io.run('pool', 'openRoot', ['/no/such'])).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

test('a thread whose call comes back late is used again', async () => {
  await withHungPool(async (bench) => {
    const { io, release, fine } = bench;
    expect(await hang(bench, 100)).toBe('DEADLINE_EXCEEDED');
    release();
    await until(() => io.stuck('slow') === 0);
    const { fd } = await io.run('slow', 'openRoot', [fine]);
    await io.run('slow', 'closeRoot', [fd]);
  });
});

test('with too many calls stuck, a pool fails at once until one comes back', async () => {
  await withHungPool(async (bench) => {
    const { io, release } = bench;
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => hang(bench, 200)));
    expect(outcomes.filter((code) => code === 'DEADLINE_EXCEEDED').length).toBeLessThanOrEqual(6);
    expect(outcomes.filter((code) => code === 'UNAVAILABLE').length).toBeGreaterThanOrEqual(14);
    expect(io.stuck('slow')).toBeGreaterThanOrEqual(4);
    const started = performance.now();
    expect(await hang(bench, 5000)).toBe('UNAVAILABLE');
    expect(performance.now() - started).toBeLessThan(2_500);
    release();
    await until(() => io.stuck('slow') === 0);
    expect(await hang(bench, 1000)).toBe('ENOTCONN');
  });
});

test('calls that wait behind others are not late while the pool answers', async () => {
  await withWorkers(
    async (io) => {
      const call = async (): Promise<boolean> => io.run('pool', 'prepareTarget', ['/tmp', 0o755], { deadlineMs: 300 });
      await io.run('pool', 'prepareTarget', ['/tmp', 0o755]);
      const outcomes = await Promise.all(Array.from({ length: 15_000 }, call));
      expect(new Set(outcomes)).toEqual(new Set([false]));
    },
    { maxPerKey: 1 },
  );
});

test('threads without work end, all but one', async () => {
  const threads = (): number => readdirSync('/proc/self/task').length;
  const steady = async (): Promise<number> => {
    for (let last = -1, now = threads(); ; last = now, now = threads()) {
      if (last === now) return now;
      await delay(200);
    }
  };
  const before = await steady();
  await withWorkers(
    async (io) => {
      const calls = Array.from({ length: 6 }, () => io.run('pool', 'prepareTarget', ['/tmp', 0o755]));
      expect(threads()).toBe(before + 6);
      await Promise.all(calls);
      await until(() => threads() === before + 1);
      expect(await steady()).toBe(before + 1);
      expect(await io.run('pool', 'prepareTarget', ['/tmp', 0o755])).toBe(false);
      expect(threads()).toBe(before + 1);
    },
    { idleMs: 20 },
  );
  await until(() => threads() === before);
});

test('calls at once do not wait for threads that are still coming up', async () => {
  await withWorkers(async (cold) =>
    withWorkers(async (warm) => {
      await warm.run('pool', 'prepareTarget', ['/tmp', 0o755]);
      const order: string[] = [];
      const call = async (io: IoWorkers, name: string): Promise<void> => {
        await io.run('pool', 'prepareTarget', ['/tmp', 0o755]);
        order.push(name);
      };
      await Promise.all([call(cold, 'cold'), ...['1', '2', '3', '4', '5'].map((name) => call(warm, name))]);
      expect(order).toEqual(['1', '2', '3', '4', '5', 'cold']);
    }),
  );
});

test('close() ends threads that are still coming up, and not the process', async () => {
  for (let round = 0; round < 15; round++) {
    await withWorkers(async (io) => {
      await io.run('pool', 'prepareTarget', ['/tmp', 0o755]);
      const calls = Array.from({ length: 6 }, async () => io.run('pool', 'prepareTarget', ['/tmp', 0o755]));
      expect(new Set(await Promise.all(calls))).toEqual(new Set([false]));
    });
  }
});

test('after close() calls fail with UNAVAILABLE', async () => {
  const closed = await withWorkers(async (io) => Promise.resolve(io));
  await expect(closed.run('pool', 'openRoot', ['/'])).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});
