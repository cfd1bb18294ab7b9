import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Echo } from './echo.js';
import { Floor } from './floor.js';

let root: string;
let floor: Floor;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'fl-'));
  floor = new Floor();
});

afterEach(async () => {
  await floor.close();
  await rm(root, { recursive: true });
});

it('does once for each name what it is asked for, in several threads', async () => {
  const names = ['a', 'b', 'c', 'd', 'e'];
  const sample = await floor.run('create', names, 2, { root, quota: 'none', bytes: 1 });
  expect(sample.times).toHaveLength(5);
  expect(Math.min(...sample.times)).toBeGreaterThan(0);
  expect((await readdir(root)).toSorted()).toEqual(names.flatMap((name) => [name, `${name}.json`]));
  await mkdir(join(root, 'trash'));
  await floor.run('remove', names, 3, { root });
  expect(await readdir(root)).toEqual(['trash']);
});

it('fills directories', async () => {
  await floor.run('smallFiles', ['x/y'], 1, { root, files: 3, bytes: 10 });
  expect(await readdir(join(root, 'x/y'))).toEqual(['f0', 'f1', 'f2']);
});

it('says what failed', async () => {
  await expect(floor.run('remove', ['absent'], 1, { root })).rejects.toThrow(/floor remove: .*ENOENT/);
  await expect(floor.run('nothing', ['x'], 1, { root })).rejects.toThrow(/no program nothing/);
});

it('the echo answers Probe, and is gone when it was stopped', async () => {
  const echo = await Echo.start(join(root, 'echo.sock'), {});
  try {
    expect(echo.startMs).toBeGreaterThan(0);
    expect(await echo.socket.call('Identity', 'Probe', {})).toEqual({ ready: { value: true } });
  } finally {
    await echo.stop();
  }
  expect(existsSync(`/proc/${echo.pid}`)).toBe(false);
});
