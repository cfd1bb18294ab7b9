import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { VolumeCapability } from '../../src/gen/csi/v1/VolumeCapability.js';
import { Driver, type DriverOptions } from '../lib/driver.js';
import { kayal } from '../lib/kayal.js';
import { directoryPool } from '../lib/pool-configs.js';
import { SHARED, createRequest, expectStatus, retried } from '../lib/requests.js';
import { VolumeUser, block, mounted } from '../lib/volume-user.js';

const ALL = ['PUBLISH_UNPUBLISH_VOLUME', 'PUBLISH_READONLY', 'LIST_VOLUMES_PUBLISHED_NODES'];

/** ControllerPublishVolume and ControllerUnpublishVolume, on a directory pool: nothing in them depends on the pool. */
describe('attached volumes', { timeout: 120_000 }, () => {
  let directory: string;
  let options: DriverOptions;
  let driver: Driver;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'a-'));
    const path = join(directory, 'main');
    await mkdir(path);
    const env = { KAYAL_ATTACH: 'yes', KAYAL_MAX_VOLUMES_PER_NODE: '3' };
    options = {
      directory,
      role: 'controller',
      nodeId: 'node-1',
      pools: [{ ...directoryPool('main', path), requireMount: false }],
      env,
    };
    driver = await Driver.start(options);
  });

  afterAll(async () => {
    await driver?.stop();
  });

  const create = async (name: string): Promise<string> => {
    const { volume } = await retried(() => driver.client.controller.CreateVolume(createRequest(name)));
    return volume?.volume_id ?? '';
  };
  const publish = async (
    volume_id: string,
    node_id: string,
    wish: { readonly capability?: VolumeCapability; readonly readonly?: boolean } = {},
  ): Promise<void> => {
    const { capability = SHARED, readonly = false } = wish;
    await driver.client.controller.ControllerPublishVolume({
      volume_id,
      node_id,
      volume_capability: capability,
      readonly,
    });
  };
  const unpublish = async (volume_id: string, node_id: string): Promise<void> => {
    await driver.client.controller.ControllerUnpublishVolume({ volume_id, node_id });
  };
  const nodesOf = async (volume_id: string): Promise<string[]> => {
    const { status } = await driver.client.controller.ControllerGetVolume({ volume_id });
    const { entries } = await driver.client.controller.ListVolumes({});
    const listed = entries.find(({ volume }) => volume?.volume_id === volume_id)?.status;
    expect(listed?.published_node_ids).toEqual(status?.published_node_ids);
    return status?.published_node_ids ?? [];
  };
  const remove = async (handle: string): Promise<void> => {
    await unpublish(handle, '');
    await driver.client.controller.DeleteVolume({ volume_id: handle });
  };

  it('are shared, attached again, detached from one node and from all, and remembered', async () => {
    const handle = await create('shared');
    await publish(handle, 'a');
    await publish(handle, 'a');
    await publish(handle, 'b');
    expect(await nodesOf(handle)).toEqual(['a', 'b']);
    await driver.kill();
    driver = await Driver.start(options);
    expect(await retried(() => nodesOf(handle))).toEqual(['a', 'b']);
    const removal = driver.client.controller.DeleteVolume({ volume_id: handle });
    await expectStatus(removal, 'FAILED_PRECONDITION', /attached to a, b: delete the pods/);
    await unpublish(handle, 'a');
    await unpublish(handle, 'a');
    await unpublish(handle, 'nobody');
    expect(await nodesOf(handle)).toEqual(['b']);
    await publish(handle, 'a');
    await unpublish(handle, '');
    expect(await nodesOf(handle)).toEqual([]);
    await remove(handle);
  });

  it('refuse what differs on the same node, and other nodes in a mode for one', async () => {
    const handle = await create('single');
    await publish(handle, 'a', { capability: mounted('SINGLE_NODE_WRITER') });
    const again = (wish: Parameters<typeof publish>[2]): Promise<void> => publish(handle, 'a', wish);
    const sameButReadOnly = again({ capability: mounted('SINGLE_NODE_WRITER'), readonly: true });
    await expectStatus(sameButReadOnly, 'ALREADY_EXISTS', /attached to a as mount SINGLE_NODE_WRITER, .* read-only/);
    await expectStatus(again({ capability: SHARED }), 'ALREADY_EXISTS', /MULTI_NODE_MULTI_WRITER is asked for/);
    for (const mode of ['SINGLE_NODE_WRITER', 'SINGLE_NODE_SINGLE_WRITER', 'SINGLE_NODE_MULTI_WRITER'] as const) {
      const other = publish(handle, 'b', { capability: mounted(mode) });
      await expectStatus(other, 'FAILED_PRECONDITION', new RegExp(`attached to a and cannot .* ${mode}`));
    }
    await expectStatus(publish(handle, 'b'), 'FAILED_PRECONDITION', /attached to a .* SINGLE_NODE_WRITER is for one/);
    expect(await nodesOf(handle)).toEqual(['a']);
    await unpublish(handle, 'a');
    await publish(handle, 'b', { capability: mounted('SINGLE_NODE_SINGLE_WRITER'), readonly: true });
    await expectStatus(publish(handle, 'a'), 'FAILED_PRECONDITION', /attached to b/);
    await remove(handle);
  });

  it('go to one of many nodes that are tried at once', async () => {
    const handle = await create('rivals');
    const nodes = Array.from({ length: 12 }, (_, n) => `n${n}`);
    const capability = mounted('SINGLE_NODE_WRITER');
    const outcomes = await Promise.allSettled(
      nodes.map((node) => retried(() => publish(handle, node, { capability }))),
    );
    const winners = nodes.filter((_, n) => outcomes[n]?.status === 'fulfilled');
    expect(winners).toHaveLength(1);
    expect(await nodesOf(handle)).toEqual(winners);
    await remove(handle);
  });

  it('are as many per node as the limit says, also when all are asked for at once', async () => {
    const handles = await Promise.all(['l1', 'l2', 'l3', 'l4', 'l5', 'l6'].map(create));
    const outcomes = await Promise.allSettled(handles.map((handle) => publish(handle, 'full')));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
    const refused = handles.filter((_, n) => outcomes[n]?.status === 'rejected');
    const attached = handles.filter((_, n) => outcomes[n]?.status === 'fulfilled');
    await expectStatus(publish(refused[0] ?? '', 'full'), 'RESOURCE_EXHAUSTED', /node full has 3 volumes .* at most 3/);
    await publish(refused[0] ?? '', 'other');
    await publish(attached[0] ?? '', 'full');
    await unpublish(attached[0] ?? '', 'full');
    await publish(refused[1] ?? '', 'full');
    for (const handle of handles) await remove(handle);
  });

  it('say what is wrong with a request', async () => {
    const handle = await create('checked');
    await expectStatus(publish('', 'a'), 'INVALID_ARGUMENT', /volume_id/);
    await expectStatus(publish(handle, ''), 'INVALID_ARGUMENT', /node_id/);
    const bare = driver.client.controller.ControllerPublishVolume({ volume_id: handle, node_id: 'a' });
    await expectStatus(bare, 'INVALID_ARGUMENT', /volume_capability/);
    await expectStatus(publish(handle, 'a', { capability: block() }), 'INVALID_ARGUMENT', /the volume is a directory/);
    await expectStatus(publish('main/none', 'a'), 'NOT_FOUND', /does not exist/);
    await expectStatus(publish('no handle', 'a'), 'NOT_FOUND', /not a handle/);
    await expectStatus(unpublish('', 'a'), 'INVALID_ARGUMENT', /volume_id/);
    for (const unknown of ['main/none', 'nowhere/x', 'no handle']) await unpublish(unknown, 'a');
    await remove(handle);
  });

  it('leave static volumes without a record alone: any node may have them', async () => {
    const attach = (volume_id: string, volume_context: Record<string, string>): Promise<unknown> =>
      driver.client.controller.ControllerPublishVolume({
        volume_id,
        node_id: 'a',
        volume_capability: SHARED,
        volume_context,
      });
    await attach('anything', { pool: 'main', path: 'data/of-old' });
    await unpublish('anything', 'a');
    await expectStatus(attach('anything', { pool: 'main' }), 'NOT_FOUND', /not a handle/);
    await expectStatus(attach('main/x', { pool: 'main', path: 'p', poolId: 'id' }), 'NOT_FOUND', /does not exist/);
    await expectStatus(attach('anything', { pool: 'main', path: '../x' }), 'INVALID_ARGUMENT', /path/);
  });

  it('can be released from a lost node by hand, after asking', async () => {
    const handle = await create('by-hand');
    await publish(handle, 'lost', { capability: mounted('SINGLE_NODE_WRITER') });
    const release = (...more: string[]): ReturnType<typeof kayal> =>
      kayal(directory, ['volume', 'release', handle, ...more]);
    expect(await release()).toMatchObject({ code: 2, stderr: expect.stringContaining('--node is missing') as string });
    const asked = await release('--node', 'lost');
    expect(asked).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/attached to it since .* say --yes/) as string,
    });
    expect(await nodesOf(handle)).toEqual(['lost']);
    const wrong = await release('--node', 'other', '--yes');
    expect(wrong).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/not in use by node other, but by lost/) as string,
    });
    const done = await release('--node', 'lost', '--yes');
    expect(done).toMatchObject({ code: 0, stdout: `volume ${handle} is not in use by node lost any more\n` });
    expect(await nodesOf(handle)).toEqual([]);
    await publish(handle, 'found', { capability: mounted('SINGLE_NODE_WRITER') });
    await remove(handle);
  });

  it('are a switch: advertised with it, unknown without', async () => {
    const names = async (): Promise<(string | undefined)[]> => {
      const { capabilities } = await driver.client.controller.ControllerGetCapabilities({});
      return capabilities.map(({ rpc }) => rpc?.type);
    };
    expect(await names()).toEqual(expect.arrayContaining(ALL));
    const handle = await create('switched');
    await publish(handle, 'a');
    await driver.stop();
    driver = await Driver.start({ ...options, env: {} });
    expect((await names()).filter((name) => ALL.includes(name ?? ''))).toEqual([]);
    await expectStatus(publish(handle, 'a'), 'UNIMPLEMENTED', /./);
    await expectStatus(unpublish(handle, 'a'), 'UNIMPLEMENTED', /./);
    expect(await retried(() => nodesOf(handle))).toEqual([]);
    await driver.client.controller.DeleteVolume({ volume_id: handle });
    await driver.stop();
    driver = await Driver.start(options);
  });
});

/** The node's part in it, by the one process of a developer's machine, which knows that there is no other node. */
describe('a node with attached volumes', { timeout: 120_000 }, () => {
  let directory: string;
  let driver: Driver;
  let user: VolumeUser;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'a-'));
    const path = join(directory, 'main');
    await mkdir(path);
    const env = { KAYAL_ATTACH: 'yes', KAYAL_MAX_VOLUMES_PER_NODE: '7' };
    driver = await Driver.start({ directory, pools: [{ ...directoryPool('main', path), requireMount: false }], env });
    user = new VolumeUser(directory, () => driver);
  });

  afterAll(async () => {
    await driver?.stop();
  });

  it('stages what is attached to it, as it is attached, and tells how much it may have', async () => {
    const { controller, node } = driver.client;
    expect((await node.NodeGetInfo({})).max_volumes_per_node).toBe('7');
    const capability = mounted('SINGLE_NODE_WRITER');
    const handle = await user.create('v', { sizeMiB: 1, capability });
    await expectStatus(
      user.stage(handle, capability),
      'FAILED_PRECONDITION',
      /not attached to node node-1 \(to no node\)/,
    );
    const request = { volume_id: handle, node_id: 'elsewhere', volume_capability: capability, readonly: true };
    await expectStatus(controller.ControllerPublishVolume(request), 'NOT_FOUND', /node elsewhere does not exist/);
    await controller.ControllerPublishVolume({ ...request, node_id: 'node-1' });
    const path = await user.use(handle, capability);
    await expect(mkdir(join(path, 'directory'))).rejects.toThrow('EROFS');
    await user.leave(handle);
    await controller.ControllerUnpublishVolume({ volume_id: handle, node_id: 'node-1' });
    await controller.ControllerPublishVolume({ ...request, node_id: 'node-1', readonly: false });
    await mkdir(join(await user.use(handle, capability), 'directory'));
    await user.leave(handle);
    await controller.ControllerUnpublishVolume({ volume_id: handle, node_id: '' });
    await user.remove(handle);
  });
});
