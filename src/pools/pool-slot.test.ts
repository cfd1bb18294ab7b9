import { expect, test } from 'vitest';
import { failedPrecondition } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { Attachment, OpenPool } from './open-pool.js';
import { PoolSlot } from './pool-slot.js';
import type { PoolConfig } from './types.js';

const ignore = (): void => undefined;
const log: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore, child: () => log };
const pool: PoolConfig = {
  type: 'gluster',
  name: 'lagoon',
  hosts: ['a'],
  volume: 'v1',
  options: {},
  quota: 'auto',
  overcommit: 1,
  staticOnly: false,
};

/** An opener that counts, of pools whose client the test can let die. */
function opener(options: { failWith?: () => Error | undefined } = {}) {
  const events: string[] = [];
  let alive = true;
  const open = async (config: PoolConfig): Promise<{ open: OpenPool; attachment: Attachment }> => {
    events.push('open');
    await Promise.resolve();
    const failure = options.failWith?.();
    if (failure !== undefined) throw failure;
    alive = true;
    const tree = {
      root: '/r',
      close: () => {
        events.push('close');
        return Promise.resolve();
      },
    };
    const stop = (): Promise<void> => {
      events.push('stop');
      return Promise.resolve();
    };
    return {
      open: { tree, location: {}, isAlive: () => alive, stop } as unknown as OpenPool,
      attachment: { pool: config, tree, root: '/r' } as unknown as Attachment,
    };
  };
  return { events, slot: new PoolSlot('lagoon', open, log), die: () => (alive = false) };
}

test('concurrent attaches share one attempt, later ones its result', async () => {
  const { slot, events } = opener();
  expect(slot.state()).toEqual({ state: 'absent' });
  const attachments = await Promise.all([slot.attach(pool), slot.attach(pool), slot.attach(pool)]);
  attachments.push(await slot.attach(pool));
  expect(new Set(attachments).size).toBe(1);
  expect(slot.current()).toBe(attachments[0]);
  expect(slot.state()).toEqual({ state: 'mounted' });
  expect(events).toEqual(['open']);
});

test('a dead client is replaced, and not stopped', async () => {
  const { slot, events, die } = opener();
  const first = await slot.attach(pool);
  die();
  expect(slot.state()).toEqual({ state: 'failed', reason: 'its client ended' });
  expect(await slot.attach(pool)).not.toBe(first);
  expect(events).toEqual(['open', 'close', 'open']);
});

test('another volume means another mount, other hosts do not', async () => {
  const { slot, events } = opener();
  await slot.attach(pool);
  await slot.attach({ ...pool, hosts: ['b'] });
  expect(events).toEqual(['open']);
  await slot.attach({ ...pool, volume: 'v2' });
  expect(events).toEqual(['open', 'close', 'stop', 'open']);
});

test('detach waits for an attach under way, and an attach for a detach', async () => {
  const { slot, events } = opener();
  const [, , again] = await Promise.all([slot.attach(pool), slot.detach(), slot.detach()]);
  expect(again).toBeUndefined();
  expect(events).toEqual(['open', 'close', 'stop']);
  await Promise.all([slot.attach(pool).then(() => slot.detach()), slot.attach(pool)]);
  const detaching = slot.detach();
  await slot.attach(pool);
  await detaching;
  expect(events.at(-1)).toBe('open');
  expect(slot.state()).toEqual({ state: 'mounted' });
});

test('a failure is told, remembered as the state, and tried again', async () => {
  let failure: Error | undefined = new Error('connection refused');
  const { slot, events } = opener({ failWith: () => failure });
  await expect(slot.attach(pool)).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: 'pool lagoon cannot be reached: connection refused',
  });
  expect(slot.state()).toEqual({ state: 'failed', reason: 'connection refused' });
  failure = failedPrecondition('belongs to somebody else');
  await expect(slot.attach(pool)).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  failure = undefined;
  await slot.attach(pool);
  expect(slot.state()).toEqual({ state: 'mounted' });
  expect(events).toEqual(['open', 'open', 'open']);
});
