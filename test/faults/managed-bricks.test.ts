import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Driver } from '../lib/driver.js';
import { findProcesses } from '../lib/leftovers.js';
import { loopDirectory, type LoopDirectory } from '../lib/loop-directory.js';
import { startOpen } from '../lib/open-driver.js';
import { publishNew, type PublishedVolume } from '../lib/published-volume.js';
import { mustRun, runCommand } from '../lib/run-command.js';
import { sleep, waitFor } from '../lib/wait.js';
import { noteFault } from './fault-table.js';
import { lostLines, startSteadyWriter, type SteadyWriter } from './steady-writer.js';

const BRICK_MIB = 256;

/** What a pod sees of a managed pool of three bricks while something is wrong with their disks or processes. */
describe('faults of bricks', () => {
  let directory: string;
  let disks: LoopDirectory[];
  let driver: Driver;
  let volume: PublishedVolume;
  let writer: SteadyWriter | undefined;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'disk-'));
    disks = [];
    for (const name of ['d1', 'd2', 'd3']) disks.push(await loopDirectory(directory, name, BRICK_MIB));
    const bricks = disks.map(({ path }) => join(path, 'brick'));
    driver = await startOpen({
      directory,
      pools: [{ name: 'three', type: 'managed', replica: 3, bricks, quota: 'gluster' }],
      logLevel: 'info',
    });
    volume = await publishNew(driver, 'volume', { sizeMiB: 32 });
  });

  afterAll(async () => {
    writer?.kill();
    await volume?.unpublish();
    await driver?.stop();
    for (const disk of disks) await disk.remove();
  });

  const disk = (number: number): LoopDirectory => {
    const found = disks[number];
    if (found === undefined) throw new Error(`there is no disk ${number}`);
    return found;
  };

  const write = async (name: string): Promise<SteadyWriter> => {
    writer = await startSteadyWriter(join(volume.path, name), join(directory, `${name}.json`));
    return writer;
  };

  const condition = async (): Promise<{ abnormal: boolean; message: string }> => {
    const stats = await driver.client.node.NodeGetVolumeStats({ volume_id: volume.handle, volume_path: volume.path });
    return { abnormal: false, message: '', ...stats.volume_condition };
  };

  /** Nothing is left to heal, and each brick has what the writer was told to be safe. */
  const expectHealed = async (name: string, acknowledged: number): Promise<void> => {
    const copies = await waitFor(
      'three copies that are the same, and nothing to heal',
      async () => {
        const { abnormal } = await condition();
        const paths = disks.map(({ path }) => join(path, 'brick', volume.poolPath, name));
        const found = await Promise.all(paths.map((path) => readFile(path, 'utf8').catch(() => 'absent')));
        return abnormal || new Set(found).size > 1 ? undefined : found;
      },
      { timeoutMs: 120_000, intervalMs: 1_000 },
    );
    expect(lostLines(copies[0] ?? '', acknowledged)).toEqual([]);
  };

  /** The processes of the bricks in a directory. */
  const brickPids = async (path: string): Promise<number[]> => {
    const isBrick = (command: string): boolean => command.startsWith('glusterfsd ') && command.includes(`${path}/`);
    return (await findProcesses(isBrick)).map(({ pid }) => pid);
  };

  it('a brick whose filesystem is full: no error, and it heals when there is room', async () => {
    const steady = await write('full');
    const ballast = join(disk(0).path, 'ballast');
    await runCommand('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=1M', 'conv=fsync']);
    await steady.goesOn(50);
    // Beyond what its last block has room for.
    await writeFile(join(volume.path, 'large'), Buffer.alloc(4 * 1024 * 1024, 'x'));
    await rm(ballast);
    await steady.goesOn();
    const told = await steady.stop();
    expect(told.errors).toEqual({});
    await expectHealed('full', told.acknowledged);
    await rm(join(volume.path, 'large'));
    await noteFault({
      fault: 'a brick of three is full',
      times: 1,
      seen: `no error in ${told.acknowledged} lines, the longest took ${told.longestMs} ms`,
      held: 'healed, three copies identical, nothing lost',
    });
  });

  it('a brick whose filesystem turned read-only: no error, and it heals after a repair', async () => {
    const steady = await write('read-only');
    // ext4(5): abort, "as if a serious error had been found".
    await mustRun('mount', ['-o', 'remount,abort', disk(1).path]);
    await steady.goesOn(50);
    const pids = await brickPids(disk(1).path);
    await mustRun('umount', ['-l', disk(1).path]);
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    await waitFor('the device to be free', async () => {
      const checked = await runCommand('fsck.ext4', ['-fy', join(directory, 'd2.img')]);
      return (checked.code ?? 8) < 4 ? true : undefined;
    });
    await mustRun('mount', ['-o', 'loop', join(directory, 'd2.img'), disk(1).path]);
    await steady.goesOn(50);
    const told = await steady.stop();
    expect(told.errors).toEqual({});
    await expectHealed('read-only', told.acknowledged);
    await noteFault({
      fault: 'the filesystem of a brick of three turns read-only',
      times: 1,
      seen: `no error in ${told.acknowledged} lines, the longest took ${told.longestMs} ms`,
      held: 'healed after the repair, three copies identical, nothing lost',
    });
  });

  it('all bricks hung for 20 s: the volume says so, and the same mount goes on', async () => {
    const steady = await write('hung');
    const pids = await brickPids(directory);
    expect(pids).toHaveLength(3);
    let seen: string;
    try {
      for (const pid of pids) process.kill(pid, 'SIGSTOP');
      seen = await waitFor(
        'an abnormal condition',
        async () => {
          const { abnormal, message } = await condition();
          return abnormal ? message : undefined;
        },
        { timeoutMs: 60_000, intervalMs: 500 },
      );
      await sleep(20_000);
    } finally {
      for (const pid of pids) process.kill(pid, 'SIGCONT');
    }
    await steady.goesOn(20);
    const told = await steady.stop();
    await expectHealed('hung', told.acknowledged);
    await noteFault({
      fault: 'all bricks hung for 20 s',
      times: 1,
      seen: `"${seen}"; ${JSON.stringify(told.errors)}, the longest took ${told.longestMs} ms`,
      held: 'the same mount goes on, three copies identical, nothing lost',
    });
  });
});
