import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeLeftovers, findLeftovers, removeLeftovers } from './leftovers.js';
import { findEarlierRuns, RunDirectory } from './run-directory.js';

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kayal-left-'));
});
afterEach(async () => {
  await removeLeftovers(directory);
  await rm(directory, { recursive: true, force: true });
});

const sleeper = (args: readonly string[], env: Readonly<Record<string, string>> = {}): number | undefined =>
  spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', '--', ...args], { env: { ...process.env, ...env } })
    .pid;

describe('findLeftovers', () => {
  it('finds nothing where nothing is', async () => {
    expect(describeLeftovers(await findLeftovers(directory))).toEqual([]);
  });

  it('finds a process by its arguments or its environment, and ends it', async () => {
    const pids = [
      sleeper([`--log=${directory}/x.log`]),
      sleeper([directory]),
      sleeper([], { TMPDIR: directory }),
      sleeper([], { TMPDIR: `${directory}/deeper` }),
    ];
    const { processes } = await findLeftovers(directory);
    expect(processes.map(({ pid }) => pid)).toEqual(pids);
    await removeLeftovers(directory);
    expect((await findLeftovers(directory)).processes).toEqual([]);
  });

  it('leaves a process of a directory alone whose name only begins the same', async () => {
    const other = `${directory}-other`;
    sleeper([`${other}/x`], { TMPDIR: other });
    expect((await findLeftovers(directory)).processes).toEqual([]);
    await removeLeftovers(other);
  });
});

describe('RunDirectory', () => {
  it('tells a run that goes on from one that crashed and from one that is kept', async () => {
    const own = await RunDirectory.create(directory);
    const crashed = join(directory, '1-1');
    const kept = join(directory, '1-2');
    await mkdir(crashed);
    await mkdir(join(kept, 'keep'), { recursive: true });
    expect(await findEarlierRuns(directory)).toEqual({ crashed: [crashed], kept: [kept] });
    await own.remove();
    expect((await readdir(directory)).sort()).toEqual(['1-1', '1-2']);
  });
});
