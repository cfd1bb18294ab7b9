import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { VolumeCapability } from '../../src/gen/csi/v1/VolumeCapability.js';
import { driverPaths } from '../lib/driver.js';
import { KillableDriver } from '../lib/killable-driver.js';
import { loopDirectory, type LoopDirectory } from '../lib/loop-directory.js';
import { directoryPool } from '../lib/pool-configs.js';
import { MiB, SHARED, retried } from '../lib/requests.js';
import { VolumeUser, block, mounted } from '../lib/volume-user.js';
import { waitFor } from '../lib/wait.js';
import { FILE_TIMEOUT_MS } from '../runner/long.js';

interface Kind {
  readonly name: 'mount' | 'file' | 'xfs' | 'block';
  readonly capability: VolumeCapability;
  readonly parameters: Readonly<Record<string, string>>;
  readonly sizeMiB: number;
  /** It grows by so much at a time. */
  readonly growMiB: number;
}

const KINDS: readonly Kind[] = [
  { name: 'mount', capability: SHARED, parameters: {}, sizeMiB: 8, growMiB: 4 },
  { name: 'file', capability: mounted(), parameters: { volumeType: 'file' }, sizeMiB: 24, growMiB: 4 },
  {
    name: 'xfs',
    capability: mounted('SINGLE_NODE_WRITER', 'xfs'),
    parameters: { volumeType: 'file', fsType: 'xfs' },
    sizeMiB: 320,
    growMiB: 16,
  },
  { name: 'block', capability: block(), parameters: {}, sizeMiB: 8, growMiB: 4 },
];

/** kill -9 in the node's calls, of every type of volume; then kubelet's retry. */
describe('kill -9 between two steps of a volume on its node', { timeout: FILE_TIMEOUT_MS }, () => {
  let directory: string;
  let disk: LoopDirectory;
  let driver: KillableDriver;
  let user: VolumeUser;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'nk-'));
    disk = await loopDirectory(directory, 'disk', 1024);
    driver = await KillableDriver.start({ directory, role: 'all', pools: [directoryPool('p', disk.path)] });
    user = new VolumeUser(directory, () => driver.driver);
  });

  afterAll(async () => {
    await driver?.stop();
    await disk?.remove();
  });

  it.each(KINDS)('$name: nothing is mounted twice, lost or left', async (kind) => {
    const { name, capability, parameters, sizeMiB, growMiB } = kind;
    const handle = await user.create(name, { sizeMiB, capability, parameters });
    const target_path = user.target(handle);
    const staging_target_path = user.stagingPath(handle);
    const stage = async () => {
      await mkdir(staging_target_path, { recursive: true });
      await driver.client.node.NodeStageVolume({
        volume_id: handle,
        staging_target_path,
        volume_capability: capability,
      });
    };
    let readonly = false;
    let pod: Record<string, string> = {};
    const publish = async () => {
      await mkdir(dirname(target_path), { recursive: true });
      await driver.client.node.NodePublishVolume({
        volume_id: handle,
        staging_target_path,
        target_path,
        volume_capability: capability,
        readonly,
        volume_context: pod,
      });
    };
    const unpublish = () => driver.client.node.NodeUnpublishVolume({ volume_id: handle, target_path });
    const unstage = () => driver.client.node.NodeUnstageVolume({ volume_id: handle, staging_target_path });
    const file = name === 'block' ? target_path : join(target_path, 'file');
    const content = `content of ${name}`;
    const write = async (): Promise<void> => {
      if (name !== 'block') return writeFile(file, content);
      const device = await open(file, 'r+');
      await device.write(content);
      await device.sync();
      return device.close();
    };
    const expectContent = async (): Promise<void> => {
      expect((await readFile(file, 'latin1')).slice(0, content.length)).toBe(content);
    };
    const staged = await driver.killEverywhere({
      what: `NodeStageVolume, ${name}`,
      call: stage,
      check: async () => {
        await retried(stage);
        await retried(publish);
        await write();
        await expectContent();
        await retried(unpublish);
        await retried(unstage);
      },
      most: 2,
    });
    await retried(stage);
    await retried(publish);
    await write();
    await retried(unpublish);
    if (name === 'mount') {
      // Only then is the pod kept in mind, a second later (published-pods.ts).
      pod = Object.fromEntries(
        ['namespace', 'name', 'uid'].map((key) => [`csi.storage.k8s.io/pod.${key}`, `pod-${key}`]),
      );
      const note = join(driverPaths(directory).kubeletDir, 'plugins/csi.kayal.storage/published-pods.json');
      await driver.killEverywhere({
        what: 'NodePublishVolume, the pod noted',
        call: async () => {
          await rm(note, { force: true });
          await publish();
          await waitFor('the note', () => {
            if (!driver.driver.isRunning) throw new Error('it was killed');
            return existsSync(note) ? true : undefined;
          });
        },
        check: async () => {
          await retried(publish);
          await retried(unpublish);
        },
        most: 2,
      });
      pod = {};
    }
    const published = await driver.killEverywhere({
      what: `NodePublishVolume, ${name}`,
      call: publish,
      check: async () => {
        await retried(publish);
        await expectContent();
        await retried(unpublish);
      },
      most: 2,
    });
    await retried(publish);
    const unpublished = await driver.killEverywhere({
      what: `NodeUnpublishVolume, ${name}`,
      call: unpublish,
      check: async () => {
        await retried(unpublish);
        await retried(publish);
        await expectContent();
      },
      most: 2,
    });
    if (name === 'block') {
      await retried(unpublish);
      readonly = true;
      await driver.killEverywhere({
        what: 'NodePublishVolume, block, read-only',
        call: publish,
        check: async () => {
          await retried(publish);
          await expectContent();
          await retried(unpublish);
          // The device stays what it was last.
          readonly = false;
          await retried(publish);
          await retried(unpublish);
          readonly = true;
        },
        most: 2,
      });
      readonly = false;
      await retried(publish);
    }
    let grown = { visited: 0, all: 0 };
    if (name !== 'mount') {
      let wanted = sizeMiB;
      const range = () => ({ required_bytes: wanted * MiB });
      const want = async (): Promise<void> => {
        wanted += growMiB;
        const request = { volume_id: handle, capacity_range: range() };
        await retried(() => driver.client.controller.ControllerExpandVolume(request));
      };
      await want();
      const grow = () =>
        driver.client.node
          .NodeExpandVolume({
            volume_id: handle,
            volume_path: target_path,
            staging_target_path,
            capacity_range: range(),
          })
          // An ext4 grows while it is mounted with CAP_SYS_RESOURCE only, which root has not everywhere.
          .catch((error: unknown) => {
            if (!String(error).includes('CAP_SYS_RESOURCE')) throw error;
          });
      grown = await driver.killEverywhere({
        what: `NodeExpandVolume, ${name}`,
        call: grow,
        check: async () => {
          await retried(grow);
          await expectContent();
          await want();
        },
        most: 2,
      });
    }
    await retried(unpublish);
    const unstaged = await driver.killEverywhere({
      what: `NodeUnstageVolume, ${name}`,
      call: unstage,
      check: async () => {
        await retried(unstage);
        await retried(stage);
        await retried(publish);
        await expectContent();
        await retried(unpublish);
      },
      most: 2,
    });
    await retried(unstage);
    await user.remove(handle);
    await driver.expectInvariants('first');
    console.log(`kill -9 on the node, ${name}`, { staged, published, unpublished, grown, unstaged });
    expect(published.all).toBeGreaterThan(4);
    expect(unpublished.all).toBeGreaterThan(2);
  });
});
