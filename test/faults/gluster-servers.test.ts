import { mkdir, mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Driver } from '../lib/driver.js';
import { Glusterd } from '../lib/glusterd.js';
import { publishNew, type PublishedVolume } from '../lib/published-volume.js';
import { sleep, waitFor } from '../lib/wait.js';
import { noteFault } from './fault-table.js';
import { lostLines, startSteadyWriter, type SteadyWriter, type WriterReport } from './steady-writer.js';

/** What a pod sees of an existing GlusterFS volume whose servers are away for a while. */
describe('faults of GlusterFS servers', () => {
  let directory: string;
  let glusterd: Glusterd;
  let driver: Driver;
  let volume: PublishedVolume;
  let writer: SteadyWriter | undefined;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'away-'));
    await mkdir(join(directory, 'server'));
    glusterd = await Glusterd.start(join(directory, 'server'));
    await glusterd.gluster('volume', 'create', 'gv0', glusterd.brick('brick'), 'force');
    await glusterd.gluster('volume', 'start', 'gv0');
    driver = await Driver.start({
      directory,
      pools: [{ name: 'ext', type: 'gluster', hosts: [glusterd.host], volume: 'gv0', quota: 'none' }],
      logLevel: 'info',
    });
    volume = await publishNew(driver, 'volume', { sizeMiB: 32 });
  });

  afterAll(async () => {
    writer?.kill();
    await glusterd?.cable('up');
    await volume?.unpublish();
    await driver?.stop();
    await glusterd?.stop();
  });

  const write = async (name: string): Promise<SteadyWriter> => {
    writer = await startSteadyWriter(join(volume.path, name), join(directory, `${name}.json`));
    return writer;
  };

  const abnormal = async (): Promise<string | undefined> => {
    const stats = await driver.client.node.NodeGetVolumeStats({ volume_id: volume.handle, volume_path: volume.path });
    return stats.volume_condition?.abnormal === true ? stats.volume_condition.message : undefined;
  };

  /** The very mount that the pod had goes on, and has what the writer was told to be safe. */
  const expectAllThere = async (name: string, steady: SteadyWriter): Promise<WriterReport> => {
    await steady.goesOn(20);
    const told = await steady.stop();
    expect(lostLines(await readFile(join(volume.path, name), 'utf8'), told.acknowledged)).toEqual([]);
    await waitFor('the condition to be normal', async () => ((await abnormal()) === undefined ? true : undefined));
    return told;
  };

  it('the network cut for 15 s: writers wait, and nobody sees an error', async () => {
    const steady = await write('cut');
    await glusterd.cable('down');
    const seen = await waitFor('an abnormal condition', abnormal, { timeoutMs: 60_000, intervalMs: 500 });
    expect(seen).toMatch(/ext/);
    await sleep(15_000);
    await glusterd.cable('up');
    await steady.goesOn(5);
    expect((await steady.report()).errors).toEqual({});
    const { longestMs } = await expectAllThere('cut', steady);
    await noteFault({
      fault: 'the network to the servers cut for 15 s',
      times: 1,
      seen: `no error; the writer waited ${longestMs} ms`,
      held: 'the same mount goes on, nothing lost',
    });
  });

  it('the volume stopped for 15 s: errors while it is, and the same mount goes on when it is started', async () => {
    const steady = await write('stopped');
    await glusterd.gluster('volume', 'stop', 'gv0', 'force');
    const seen = await waitFor('an abnormal condition', abnormal, { timeoutMs: 60_000, intervalMs: 500 });
    expect(seen).toMatch(/ext/);
    await waitFor('the writer to get errors', async () =>
      Object.keys((await steady.report()).errors).length > 0 ? true : undefined,
    );
    await sleep(15_000);
    await glusterd.gluster('volume', 'start', 'gv0');
    const { errors } = await expectAllThere('stopped', steady);
    await noteFault({
      fault: 'the GlusterFS volume stopped for 15 s',
      times: 1,
      seen: `${JSON.stringify(errors)} while it was`,
      held: 'the same mount goes on, nothing lost',
    });
  });
});
