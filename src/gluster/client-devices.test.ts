import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startTimeOf } from '../linux/process-info.js';
import { ClientDevices } from './client-devices.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kayal-devices-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

test('numbers of clients that are gone are dead, also for the next process, until they are forgotten', async () => {
  const own = { pid: process.pid, startTime: (await startTimeOf(process.pid)) ?? '' };
  const devices = new ClientDevices(directory);
  expect(await devices.dead()).toEqual([]);
  await Promise.all([
    devices.add({ dev: '0:50', ...own }),
    devices.add({ dev: '0:51', ...own, startTime: '1' }),
    devices.add({ dev: '0:52', ...own, startTime: '2' }),
  ]);
  const next = new ClientDevices(directory);
  expect(await next.dead()).toEqual(['0:51', '0:52']);
  await next.forget(['0:51']);
  // The kernel gave the number to a new client.
  await next.add({ dev: '0:52', ...own });
  expect(await next.dead()).toEqual([]);
});

test('numbers of another boot mean nothing, and neither does a damaged file', async () => {
  const devices = new ClientDevices(directory);
  await devices.add({ dev: '0:50', pid: process.pid, startTime: '1' });
  const file = join(directory, 'devices.json');
  const text = await readFile(file, 'utf8');
  await writeFile(file, text.replace(/"epoch":"./, '"epoch":"x'));
  expect(await devices.dead()).toEqual([]);
  await writeFile(file, '{"epoch":');
  expect(await devices.dead()).toEqual([]);
});
