import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CreateVolumeResponse__Output } from '../../src/gen/csi/v1/CreateVolumeResponse.js';
import { defaultDataPath } from '../../src/volumes/records/layout.js';
import { TOPOLOGY_KEY } from '../../src/volumes/requests/topology.js';
import { Driver, driverPaths, writeConfig } from '../lib/driver.js';
import { loopDirectory, type LoopDirectory } from '../lib/loop-directory.js';
import { startOpen } from '../lib/open-driver.js';
import { directoryPool, singleBrickPool, type PoolKeys } from '../lib/pool-configs.js';
import { createRequest, expectStatus, MiB, retried, SHARED, type VolumeWish } from '../lib/requests.js';
import { waitFor } from '../lib/wait.js';

const on = (...nodes: readonly string[]) => nodes.map((node) => ({ segments: { [TOPOLOGY_KEY]: node } }));

/** What external-provisioner asks for with --strict-topology when the pod goes to this node. */
const strictly = (node: string) => ({ requisite: on(node), preferred: on(node) });

describe('pools that one node reaches', () => {
  let directory: string;
  const trees: LoopDirectory[] = [];
  let pools: PoolKeys[];
  /** Runs `kayal all` as node-1. */
  let driver: Driver;
  /** Runs `kayal node` as node-2, with the same configuration. */
  let other: Driver;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'topo-'));
    const tree = async (name: string, sizeMiB: number): Promise<string> => {
      const made = await loopDirectory(directory, name, sizeMiB);
      trees.push(made);
      return made.path;
    };
    const ofNode = (name: string, node: string, path: string): PoolKeys => ({
      name,
      type: 'directory',
      path,
      node,
      quota: 'none',
    });
    pools = [
      ofNode('near', 'node-1', await tree('near', 96)),
      ofNode('far', 'node-2', await tree('far', 64)),
      directoryPool('shared', await tree('shared', 48)),
      await singleBrickPool(directory, 'own', { quota: 'gluster' }),
    ];
    driver = await startOpen({ directory, pools });
    const second = join(directory, '2');
    await mkdir(second);
    other = await Driver.start({ directory: second, pools, nodeId: 'node-2', role: 'node' });
  });

  afterAll(async () => {
    await other?.stop();
    await driver?.stop();
    for (const tree of trees) await tree.remove();
  });

  const create = (
    name: string,
    pool: string,
    {
      accessibility_requirements,
      volume_content_source,
      ...wish
    }: VolumeWish & {
      readonly accessibility_requirements?:
        ReturnType<typeof strictly> | { requisite: []; preferred: ReturnType<typeof on> };
      readonly volume_content_source?: object;
    } = {},
  ): Promise<CreateVolumeResponse__Output> =>
    retried(() =>
      driver.client.controller.CreateVolume({
        ...createRequest(name, { ...wish, parameters: pool === '' ? {} : { pool } }),
        ...(accessibility_requirements === undefined ? {} : { accessibility_requirements }),
        ...(volume_content_source === undefined ? {} : { volume_content_source }),
      }),
    );
  const capacity = async (pool: string, node?: string): Promise<number> => {
    const { available_capacity: bytes } = await driver.client.controller.GetCapacity({
      parameters: { pool },
      ...(node === undefined ? {} : { accessible_topology: on(node)[0] }),
    });
    return Number(bytes);
  };

  it('are announced: the plugin has topology, and each node is a segment', async () => {
    for (const [client, node] of [
      [driver.client, 'node-1'],
      [other.client, 'node-2'],
    ] as const) {
      const { capabilities } = await client.identity.GetPluginCapabilities({});
      expect(capabilities.map(({ service }) => service?.type)).toContain('VOLUME_ACCESSIBILITY_CONSTRAINTS');
      expect(await client.node.NodeGetInfo({})).toMatchObject({
        node_id: node,
        accessible_topology: { segments: { [TOPOLOGY_KEY]: node } },
      });
    }
  });

  it('have volumes with a topology, wherever volumes are told of; others have none', async () => {
    const expected = { near: on('node-1'), own: on('node-1'), shared: [] };
    for (const [pool, topology] of Object.entries(expected)) {
      const { volume } = await create(`told-${pool}`, pool);
      expect(volume).toMatchObject({ volume_id: `${pool}/told-${pool}`, accessible_topology: topology });
      const got = await driver.client.controller.ControllerGetVolume({ volume_id: `${pool}/told-${pool}` });
      expect(got.volume?.accessible_topology).toEqual(topology);
    }
    const { entries } = await driver.client.controller.ListVolumes({});
    const listed = entries.map(({ volume }) => [volume?.volume_id, volume?.accessible_topology]);
    for (const [pool, topology] of Object.entries(expected))
      expect(listed).toContainEqual([`${pool}/told-${pool}`, topology]);
  });

  it('are used for pods of that node only', async () => {
    const here = await create('here', 'near', { accessibility_requirements: strictly('node-1') });
    expect(here.volume).toMatchObject({ volume_id: 'near/here', accessible_topology: on('node-1') });
    const there = create('there', 'near', { accessibility_requirements: strictly('node-2') });
    await expectStatus(
      there,
      'RESOURCE_EXHAUSTED',
      /for node-2: pool near is on node "node-1" alone; let the pod run there/,
    );
    const either = { requisite: on('node-2', 'node-1'), preferred: on('node-2') };
    expect((await create('either', 'near', { accessibility_requirements: either })).volume?.volume_id).toBe(
      'near/either',
    );
    const zone = { requisite: [{ segments: { 'topology.kubernetes.io/zone': 'z1' } }], preferred: [] };
    const zoned = driver.client.controller.CreateVolume({
      ...createRequest('zoned', { parameters: { pool: 'near' } }),
      accessibility_requirements: zone,
    });
    await expectStatus(zoned, 'RESOURCE_EXHAUSTED', /topology\.kubernetes\.io\/zone/);
  });

  it('leave the choice to those that are reached, in the order of preference', async () => {
    const chosen = async (...args: Parameters<typeof create>): Promise<string | undefined> =>
      (await create(...args)).volume?.volume_id;
    const both = 'shared,near';
    expect(await chosen('c1', both, { accessibility_requirements: strictly('node-2') })).toBe('shared/c1');
    // Both are as good; near is larger.
    expect(await chosen('c2', both, { accessibility_requirements: strictly('node-1') })).toBe('near/c2');
    const preferred = { requisite: on('node-1', 'node-2'), preferred: on('node-2', 'node-1') };
    expect(await chosen('c3', both, { accessibility_requirements: preferred })).toBe('shared/c3');
    // Too large for the one that is preferred.
    const sizeMiB = Math.floor((await capacity('shared')) / MiB) + 4;
    expect(await chosen('c4', both, { accessibility_requirements: preferred, sizeMiB })).toBe('near/c4');
    await driver.client.controller.DeleteVolume({ volume_id: 'near/c4' });
    // One of the pools is another controller's.
    expect(await chosen('c5', 'far,near')).toBe('near/c5');
  });

  it('cannot be managed from another node', async () => {
    const far = create('far', 'far', { accessibility_requirements: strictly('node-2') });
    await expectStatus(
      far,
      'FAILED_PRECONDITION',
      /far is on node "node-2" alone, and this controller runs on node "node-1"/,
    );
  });

  it('have a capacity for their own node, and none for others', async () => {
    expect(await capacity('near', 'node-1')).toBeGreaterThan(0);
    expect(await capacity('near')).toBe(await capacity('near', 'node-1'));
    expect(await capacity('near', 'node-2')).toBe(0);
    expect(await capacity('own', 'node-2')).toBe(0);
    expect(await capacity('far', 'node-2')).toBe(0);
    const shared = await capacity('shared', 'node-2');
    expect(shared).toBe(await capacity('shared', 'node-1'));
    expect(await capacity('near,shared', 'node-2')).toBe(shared);
    expect(await capacity('near,shared', 'node-1')).toBe(shared + (await capacity('near')));
  });

  it('do not have a volume twice, and not for a node that does not reach it', async () => {
    const wish = { accessibility_requirements: strictly('node-1') };
    expect((await create('once', 'near', wish)).volume).toEqual((await create('once', 'near', wish)).volume);
    const moved = create('once', 'near,shared', { accessibility_requirements: strictly('node-2') });
    await expectStatus(
      moved,
      'ALREADY_EXISTS',
      /near\/once exists, and pool near is on node "node-1" alone: .* on node-2/,
    );
  });

  it('are the source of volumes on other nodes, in a pool that those reach', async () => {
    await create('source', 'near');
    const near = pools[0]?.['path'] as string;
    await writeFile(join(near, defaultDataPath('source'), 'file'), 'content');
    const { snapshot } = await retried(() =>
      driver.client.controller.CreateSnapshot({ name: 'snap', source_volume_id: 'near/source' }),
    );
    const sources = {
      clone: { volume: { volume_id: 'near/source' } },
      restored: { snapshot: { snapshot_id: snapshot?.snapshot_id ?? '' } },
    };
    for (const [name, volume_content_source] of Object.entries(sources)) {
      const wish = { volume_content_source, accessibility_requirements: strictly('node-2') };
      await expectStatus(create(name, '', wish), 'RESOURCE_EXHAUSTED', /pool near is on node "node-1" alone/);
      const { volume } = await create(name, 'near,shared', wish);
      expect(volume).toMatchObject({ volume_id: `shared/${name}`, accessible_topology: [] });
      const shared = pools[2]?.['path'] as string;
      expect(await readFile(join(shared, defaultDataPath(name), 'file'), 'utf8')).toBe('content');
    }
  });

  it('are not staged on another node, and the answer says why', async () => {
    const stage = (client: Driver['client'], handle: string) =>
      client.node.NodeStageVolume({
        volume_id: handle,
        volume_capability: SHARED,
        staging_target_path: join(driverPaths(directory).kubeletDir, 'staging'),
      });
    await mkdir(join(driverPaths(directory).kubeletDir, 'staging'), { recursive: true });
    // As Kubernetes has it of a PersistentVolume from the time before topology, which has no nodeAffinity.
    await expectStatus(
      stage(other.client, 'near/told-near'),
      'FAILED_PRECONDITION',
      /directory of node "node-1" alone/,
    );
    await expectStatus(stage(other.client, 'own/told-own'), 'FAILED_PRECONDITION', /"kayal all" runs them/);
    await retried(() => stage(other.client, 'shared/told-shared'));
    await stage(driver.client, 'near/told-near');
  });

  it('may become pools of all nodes: their volumes are then told of without a topology', async () => {
    const [near = { name: '' }, ...others] = pools;
    await writeConfig(directory, [directoryPool('near', near['path'] as string), ...others]);
    await waitFor('the configuration to be followed', async () => {
      const { volume } = await retried(() =>
        driver.client.controller.ControllerGetVolume({ volume_id: 'near/told-near' }),
      );
      return volume?.accessible_topology.length === 0 ? true : undefined;
    });
    expect(await capacity('near', 'node-2')).toBeGreaterThan(0);
  });
});
