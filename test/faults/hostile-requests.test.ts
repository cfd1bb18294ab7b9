import { mkdir, mkdtemp, readFile, readdir, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Metadata, credentials, status } from '@grpc/grpc-js';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readMountinfo } from '../../src/linux/mountinfo.js';
import { schemaRoot } from '../../src/rpc/schema.js';
import { isServiceError } from '../lib/csi-client.js';
import { type Driver, driverPaths } from '../lib/driver.js';
import { kayal } from '../lib/kayal.js';
import { loopDirectory, type LoopDirectory } from '../lib/loop-directory.js';
import { startOpen } from '../lib/open-driver.js';
import { MiB, SHARED, createRequest, retried } from '../lib/requests.js';
import { encodedMessages, type KnownValues } from './hostile-messages.js';

const SERVICES = ['csi.v1.Identity', 'csi.v1.Controller', 'csi.v1.GroupController', 'csi.v1.Node'];
const PER_METHOD = 60;
const AT_ONCE = 8;
/** The same messages in every run; a longer one takes another seed. */
const SEED = Number(process.env['KAYAL_FUZZ_SEED'] ?? 1126);

/**
 * Any bytes at all on the socket, many at a time: every call is answered with a status that says whose fault it is,
 * the driver lives, and nothing outside of the pool and kubelet's directory is touched.
 */
describe('hostile requests', () => {
  let directory: string;
  let pool: LoopDirectory;
  let driver: Driver;
  let outside: string;
  let pods: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'wild-'));
    pool = await loopDirectory(directory, 'pool', 256);
    outside = join(directory, 'outside');
    pods = join(directory, 'pods');
    await mkdir(join(outside, 'sub'), { recursive: true });
    await mkdir(pods);
    await writeFile(join(outside, 'sub', 'file'), 'nobody may touch this');
    await symlink(outside, join(pods, 'link'));
    await symlink(outside, join(pool.path, 'link'));
    driver = await startOpen({
      directory,
      pools: [{ name: 'dir', type: 'directory', path: pool.path, shared: true, quota: 'none' }],
      logLevel: 'info',
    });
    for (const name of ['one', 'two']) await driver.client.controller.CreateVolume(createRequest(name));
  });

  afterAll(async () => {
    await driver?.stop();
    for (const { target } of (await readMountinfo()).toReversed()) {
      if (target.startsWith(`${pods}/`)) await kayalUnmount(target);
    }
    await pool?.remove();
  });

  const kayalUnmount = async (target: string): Promise<void> => {
    await driver.client.node.NodeUnpublishVolume({ volume_id: 'dir/one', target_path: target }).catch(() => undefined);
  };

  /** Paths stay in this test's directory: the CO is root on the node, and is obeyed. */
  const known = (): KnownValues => ({
    volume_id: ['dir/one', 'dir/two', 'dir/three', 'dir/../one', 'dir/.kayal', 'nowhere/one', 'dir/one/..'],
    source_volume_id: ['dir/one', 'dir/two', 'dir/..'],
    source_volume_ids: ['dir/one', 'dir/two'],
    snapshot_id: ['dir/s1', 'dir/..', 'dir/one'],
    snapshot_ids: ['dir/s1'],
    group_snapshot_id: ['dir/g1', 'dir/../g1'],
    name: ['one', 'two', 'three', 's1', 'g1', '../one', '.kayal'],
    node_id: ['node-1', 'node-2', '..'],
    staging_target_path: [join(pods, 'staging'), join(pods, 'link/sub'), 'staging', `${pods}/../outside/sub`],
    target_path: [join(pods, 'a'), join(pods, 'b'), join(pods, 'link/x'), 'target', `${pods}/../outside/sub`],
    volume_path: [join(pods, 'a'), join(pods, 'link/sub'), 'volume'],
    required_bytes: [0, MiB, 8 * MiB],
    limit_bytes: [0, 16 * MiB],
    max_entries: [0, 1, 2],
    starting_token: ['1', 'zzz'],
    fs_type: ['', 'ext4', 'xfs', 'ntfs'],
    mount_flags: ['', 'ro', 'noexec', 'exec', 'suid', 'dev', 'context=x', 'a,b'],
    'parameters.keys': ['pool', 'pathPattern', 'onDelete', 'uid', 'mode', 'volumeType', 'fsType'],
    'parameters.values': ['dir', 'delete', 'retain', '0', '0777', '../x', '.kayal/x', 'a/b', 'file'],
    'mutable_parameters.keys': ['onDelete', 'softLimitPercent'],
    'mutable_parameters.values': ['delete', '50'],
    'volume_context.keys': ['pool', 'path', 'poolId', 'size', 'csi.storage.k8s.io/ephemeral'],
    'volume_context.values': ['dir', '.', '.kayal', '../outside', 'link', 'link/sub', '1Mi', 'true'],
    'segments.keys': ['topology.csi.kayal.storage/node'],
    'segments.values': ['node-1'],
  });

  const call = async (client: Client, path: string, bytes: Buffer): Promise<string> =>
    new Promise((resolve, reject) => {
      const same = (value: Buffer): Buffer => value;
      const deadline = Date.now() + 60_000;
      client.makeUnaryRequest(path, same, same, bytes, new Metadata(), { deadline }, (error) => {
        if (error === null) resolve('OK');
        else if (isServiceError(error)) resolve(status[error.code]);
        else reject(new Error('not a gRPC status', { cause: error }));
      });
    });

  const methods = SERVICES.flatMap((name) =>
    schemaRoot.lookupService(name).methodsArray.map((method) => ({ service: name, method })),
  );

  it('are each answered with a status, none of them a fault of the driver', async () => {
    const client = new Client(`unix://${driverPaths(directory).socket}`, credentials.createInsecure());
    const sent = methods.flatMap(({ service, method }, index) => {
      const type = method.resolvedRequestType;
      if (type === null) throw new Error(`${method.name} is not resolved`);
      const messages = fc.sample(encodedMessages(type, known()), { numRuns: PER_METHOD, seed: SEED + index });
      return messages.map((bytes) => ({ path: `/${service}/${method.name}`, bytes, type }));
    });
    // Not method after method: creation, publish and deletion get into each other's way.
    const mixed = fc.sample(fc.shuffledSubarray(sent, { minLength: sent.length }), { numRuns: 1, seed: SEED })[0] ?? [];
    const counts = new Map<string, number>();
    const faults: string[] = [];
    const queue = mixed.values();
    const worker = async (): Promise<void> => {
      for (const { path, bytes, type } of queue) {
        const name = await call(client, path, bytes);
        counts.set(name, (counts.get(name) ?? 0) + 1);
        if (['INTERNAL', 'UNKNOWN'].includes(name) && isMessage(type, bytes)) {
          faults.push(`${name} for ${path} ${JSON.stringify(type.decode(bytes))}`);
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    client.close();
    console.log(`${mixed.length} hostile calls: ${[...counts].map(([name, count]) => `${name} ${count}`).join(', ')}`);
    expect(faults).toEqual([]);
    expect(counts.get('OK')).toBeGreaterThan(50);
    expect(counts.get('INVALID_ARGUMENT')).toBeGreaterThan(200);
    expect(driver.isRunning).toBe(true);
    expect((await driver.client.identity.Probe({})).ready?.value).toBe(true);
  }, 300_000);

  it('touched nothing outside, left no mount that unpublish does not end, and no damage in the pool', async () => {
    expect(await readdir(outside)).toEqual(['sub']);
    expect(await readdir(join(outside, 'sub'))).toEqual(['file']);
    expect(await readFile(join(outside, 'sub', 'file'), 'utf8')).toBe('nobody may touch this');
    const mine = async (): Promise<string[]> =>
      (await readMountinfo()).map(({ target }) => target).filter((target) => target.startsWith(directory));
    for (const target of (await mine()).filter((path) => path.startsWith(`${pods}/`))) {
      await retried(() => driver.client.node.NodeUnpublishVolume({ volume_id: 'dir/one', target_path: target }));
    }
    expect(await mine()).toEqual([pool.path]);
    const doctor = await kayal(directory, ['doctor']);
    expect([doctor.code, doctor.stdout.match(/PROBLEM.*/)]).toEqual([0, null]);
  });

  it('works as before for everybody else', async () => {
    await retried(() => driver.client.controller.CreateVolume(createRequest('after')));
    const request = { volume_id: 'dir/after', staging_target_path: join(pods, 'staging'), volume_capability: SHARED };
    await retried(() => driver.client.node.NodeStageVolume(request));
    const target_path = join(pods, 'after');
    await retried(() => driver.client.node.NodePublishVolume({ ...request, target_path }));
    await writeFile(join(target_path, 'file'), 'content');
    await driver.client.node.NodeUnpublishVolume({ volume_id: 'dir/after', target_path });
    expect(await readFile(join(pool.path, await pathOf('after'), 'file'), 'utf8')).toBe('content');
    await driver.client.controller.DeleteVolume({ volume_id: 'dir/after' });
  });

  const pathOf = async (id: string): Promise<string> => {
    const { volume } = await driver.client.controller.ControllerGetVolume({ volume_id: `dir/${id}` });
    return volume?.volume_context['path'] ?? '';
  };
});

/** False for bytes that grpc itself cannot decode; it answers those, with INTERNAL, before Kayal sees them. */
function isMessage(type: { decode(bytes: Uint8Array): unknown }, bytes: Buffer): boolean {
  try {
    type.decode(bytes);
    return true;
  } catch {
    return false;
  }
}
