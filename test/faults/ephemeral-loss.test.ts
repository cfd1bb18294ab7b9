import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Driver } from '../lib/driver.js';
import { InlinePod } from '../lib/inline-pod.js';
import { INLINE, SMALL, expectNoTraces, inlineStore, memoryDirectory, tracesOf } from '../lib/inline-volumes.js';
import { kayal } from '../lib/kayal.js';
import { removeLeftovers } from '../lib/leftovers.js';
import { startOpen } from '../lib/open-driver.js';
import { directoryPool, singleBrickPool, type PoolKeys } from '../lib/pool-configs.js';
import { expectStatus } from '../lib/requests.js';
import { mustRun } from '../lib/run-command.js';
import { sleep, waitFor } from '../lib/wait.js';

describe('what a node has lost', () => {
  let directory: string;
  let driver: Driver;
  let root: string;
  const pods: InlinePod[] = [];

  const start = async (): Promise<Driver> =>
    startOpen({ directory, pools: [await singleBrickPool(directory, 'p', { quota: 'none', ...INLINE })] });
  const pod = (name?: string): InlinePod => {
    const made = new InlinePod(directory, () => driver, name);
    pods.push(made);
    return made;
  };
  const store = (): string => inlineStore(directory);

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'inline-'));
    root = join(directory, 'state/control/p/mnt');
    driver = await start();
  });

  afterEach(async () => {
    for (const one of pods.splice(0)) await one.unpublish();
    await expectNoTraces(root);
  });

  afterAll(async () => {
    await driver?.stop();
    await removeLeftovers(directory);
  });

  it('survives the driver, also one that lost what it knew', async () => {
    const one = pod();
    await one.publish(SMALL);
    await writeFile(join(one.target, 'file'), 'x');
    await driver.kill();
    await rm(store(), { recursive: true });
    driver = await start();
    const answer = await waitFor('the driver to know the volume again', () => one.stats().catch(() => undefined));
    expect(answer.volume_condition?.abnormal).toBe(false);
    await one.publish(SMALL);
    expect(await readFile(join(one.target, 'file'), 'utf8')).toBe('x');
  });

  it('what kubelet has forgotten goes; what it still has a directory for stays', async () => {
    const [gone, waiting] = [pod('gone'), pod('waiting')];
    for (const one of [gone, waiting]) await one.publish(SMALL);
    await driver.kill();
    for (const one of [gone, waiting]) await mustRun('umount', [one.target]);
    await gone.forget();
    driver = await start();
    await waitFor(
      'the forgotten volume to go',
      async () => ((await tracesOf(root)).some((name) => name.includes(gone.id)) ? undefined : true),
      { timeoutMs: 90_000, intervalMs: 500 },
    );
    expect(await tracesOf(root)).toContain(await dataPath(waiting));
    await waiting.publish(SMALL);
  });

  it('what only the records tell of goes', async () => {
    const one = pod();
    await one.publish(SMALL);
    await driver.kill();
    await mustRun('umount', [one.target]);
    await one.forget();
    await rm(store(), { recursive: true });
    driver = await start();
    await expectNoTraces(root, 100_000);
  });

  const dataPath = async (one: InlinePod): Promise<string> => {
    const names = await readdir(join(root, 'volumes'), { recursive: true });
    return `volumes/${names.find((name) => name.endsWith(one.id)) ?? ''}`;
  };
});

describe('controller and node apart', () => {
  let directory: string;
  let root: string;
  let pools: readonly PoolKeys[];
  let controller: Driver;
  let node: Driver;

  const startController = (): Promise<Driver> =>
    startOpen({ directory: join(directory, 'c'), role: 'controller', pools });
  const startNode = (): Promise<Driver> =>
    Driver.start({ directory: join(directory, 'n'), role: 'node', pools, nodeId: 'node-2' });
  const pod = (): InlinePod => new InlinePod(join(directory, 'n'), () => node);

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'inline-'));
    for (const name of ['c', 'n']) await mustRun('mkdir', [join(directory, name)]);
    root = await memoryDirectory(directory);
    pools = [{ ...directoryPool('p', root), ...INLINE }];
    controller = await startController();
    node = await startNode();
  });

  afterAll(async () => {
    await node?.stop();
    await controller?.stop();
    await removeLeftovers(directory);
  });

  it('waits for a controller that is not there, and ends without it', async () => {
    await controller.kill();
    const [one, given] = [pod(), pod()];
    await expectStatus(one.publishOnce(SMALL), 'ABORTED', /is being made by the controller/);
    await expectStatus(given.publishOnce(SMALL), 'ABORTED', /is being made by the controller/);
    await given.unpublish();
    controller = await startController();
    await one.publish(SMALL);
    await controller.kill();
    await one.unpublish();
    expect(await tracesOf(root)).toContainEqual(expect.stringContaining(one.id));
    controller = await startController();
    await expectNoTraces(root);
  });

  it('a node that is gone for good: its volumes are listed, and removed when people say so', async () => {
    const one = pod();
    await one.publish(SMALL);
    await node.kill();
    await mustRun('umount', [one.target]);
    const handle = `p/${one.id}`;
    const command = ['volume', 'purge', handle];
    const c = join(directory, 'c');
    expect(await kayal(c, command)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('of pod team/web on node node-2') as string,
    });
    expect((await kayal(c, [...command, '--yes'])).stderr).toContain('node-2 had in use');
    await ageRecord(one);
    expect((await kayal(c, ['volumes', '--unused', '--since', '12h', '-o', 'json'])).stdout).toContain(handle);
    expect(await kayal(c, [...command, '--yes'])).toMatchObject({ code: 0, stderr: '' });
    await expectNoTraces(root);
    node = await startNode();
    await one.unpublish();
  });

  /** As if the node had been gone for a day; the controller reads its records when it starts. */
  const ageRecord = async (one: InlinePod): Promise<void> => {
    await controller.stop();
    await rm(join(root, '.kayal/uses'), { recursive: true, force: true });
    const names = await readdir(join(root, '.kayal/volumes'), { recursive: true });
    const file = join(root, '.kayal/volumes', names.find((name) => name.endsWith(`${one.id}.json`)) ?? '');
    const record = JSON.parse(await readFile(file, 'utf8')) as object;
    const createdAt = new Date(Date.now() - 24 * 60 * 60 * 1000).toISOString();
    await writeFile(file, JSON.stringify({ ...record, createdAt }));
    controller = await startController();
    await sleep(100);
  };
});
