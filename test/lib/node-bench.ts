import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { VolumeCapability__Output } from '../../src/gen/csi/v1/VolumeCapability.js';
import { ManagedPool } from '../../src/gluster/managed-pool.js';
import { IoWorkers } from '../../src/linux/io-workers.js';
import { readMountinfo, type MountEntry } from '../../src/linux/mountinfo.js';
import { quiet } from '../../src/linux/testing.js';
import { KeyLock } from '../../src/base/key-lock.js';
import { HybridVolumes } from '../../src/node/hybrid/hybrid-volumes.js';
import { InlineStore } from '../../src/node/inline/store.js';
import { InlineVolumes } from '../../src/node/inline/inline-volumes.js';
import { ClientRelease } from '../../src/node/client-release.js';
import { createNodeService, type NodeService } from '../../src/node/service.js';
import { UseNotes } from '../../src/node/use-notes.js';
import { PoolMounts, type Attachment } from '../../src/pools/mounts.js';
import { POOL_FILE, formatPoolFile } from '../../src/pools/pool-file.js';
import type { PoolConfig } from '../../src/pools/types.js';
import type { CallContext } from '../../src/rpc/service.js';
import {
  POOL_DIRECTORIES,
  PATHS_DIRECTORY,
  PATH_MARKER,
  defaultDataPath,
  recordPath,
} from '../../src/volumes/records/layout.js';
import { formatRecord, type VolumeRecord } from '../../src/volumes/records/record.js';
import { loopDirectory } from './loop-directory.js';
import { removeLeftovers } from './leftovers.js';

export const INSTALLATION = 'test';
export const NODE_ID = 'node-1';
const POOL = 'lagoon';
const POOL_ID = '3b0c7c1e-9d43-4b1c-8f0e-2f6d0a6f1c55';

type Mode = NonNullable<VolumeCapability__Output['access_mode']>['mode'];

export function capability(mode: Mode = 'MULTI_NODE_MULTI_WRITER', flags: string[] = []): VolumeCapability__Output {
  return {
    access_type: 'mount',
    mount: { fs_type: '', mount_flags: flags, volume_mount_group: '' },
    access_mode: { mode },
  };
}

export interface PublishWish {
  readonly target: string;
  readonly readonly?: boolean;
  readonly capability?: VolumeCapability__Output;
  readonly context?: Record<string, string>;
  readonly staging?: string;
}

export interface BenchOptions {
  readonly type: 'directory' | 'managed';
  readonly graceMs?: number;
  readonly staticOnly?: boolean;
  /** What the graph of a managed pool has; default none. */
  readonly quota?: 'none' | 'gluster';
}

/**
 * A node without a controller: the node service in this process, on a real pool whose records the tests write
 * themselves. `restart` stands for the end of the role's process, which takes no mount with it.
 */
export class NodeBench {
  readonly directory: string;
  pool: PoolConfig;
  /** What the controller would see; also the tests' own view of the pool. */
  readonly control: Attachment;
  readonly io: IoWorkers;
  service!: NodeService;
  pools!: PoolMounts;
  release!: ClientRelease;
  installation = INSTALLATION;
  readonly #graceMs: number;
  readonly #pool: PoolConfig;
  readonly #managed: ManagedPool | undefined;
  readonly #controlPools: PoolMounts;
  readonly #end: () => Promise<void>;

  private constructor(parts: {
    directory: string;
    pool: PoolConfig;
    io: IoWorkers;
    control: Attachment;
    controlPools: PoolMounts;
    managed: ManagedPool | undefined;
    graceMs: number;
    end: () => Promise<void>;
  }) {
    this.directory = parts.directory;
    this.pool = parts.pool;
    this.#pool = parts.pool;
    this.io = parts.io;
    this.control = parts.control;
    this.#controlPools = parts.controlPools;
    this.#managed = parts.managed;
    this.#graceMs = parts.graceMs;
    this.#end = parts.end;
    this.#start();
  }

  static async create(options: BenchOptions): Promise<NodeBench> {
    const directory = await mkdtemp(join(tmpdir(), 'node-bench-'));
    await mkdir(join(directory, 'pods'));
    const io = new IoWorkers({ log: quiet });
    const common = { name: POOL, quota: 'none', overcommit: 1, staticOnly: options.staticOnly ?? false } as const;
    let pool: PoolConfig;
    let managed: ManagedPool | undefined;
    let end: () => Promise<void>;
    if (options.type === 'directory') {
      const loop = await loopDirectory(directory, 'pool', 64);
      pool = { ...common, type: 'directory', path: loop.path, shared: true, requireMount: true };
      end = () => loop.remove();
    } else {
      const config = {
        ...common,
        type: 'managed',
        replica: 1,
        bricks: [join(directory, 'brick')],
        clientCache: true,
        quotaStrict: false,
        quotaProfile: 'exact',
      } as const;
      pool = config;
      const started = await ManagedPool.start({
        config,
        quota: options.quota ?? 'none',
        directory: join(directory, 'gluster'),
        log: quiet,
        io,
      });
      managed = started;
      end = () => started.stop();
    }
    const controlPools = new PoolMounts({
      io,
      log: quiet,
      directory: join(directory, 'control'),
      control: true,
      nodeId: NODE_ID,
      installation: INSTALLATION,
      managed: () => volfilesOf(managed),
    });
    const control = await controlPools.attach(pool);
    if (!pool.staticOnly) await prepare(control);
    const graceMs = options.graceMs ?? 60_000;
    return new NodeBench({ directory, pool, io, control, controlPools, managed, graceMs, end });
  }

  #start(): void {
    this.pools = new PoolMounts({
      io: this.io,
      log: quiet,
      directory: join(this.directory, 'client'),
      control: false,
      nodeId: NODE_ID,
      installation: this.installation,
      managed: () => volfilesOf(this.#managed),
    });
    const config = () => ({ installation: this.installation, pools: [this.pool] });
    this.release = new ClientRelease({ pools: this.pools, config, log: quiet, graceMs: this.#graceMs });
    const { io, pools, release } = this;
    const store = new InlineStore({ io, log: quiet, directory: join(this.directory, 'inline') });
    const self = { node: NODE_ID, machineId: 'machine-1', bootId: 'boot-1' };
    const locks = new KeyLock();
    this.service = createNodeService({
      nodeId: NODE_ID,
      self,
      locks,
      hybrid: new HybridVolumes({
        io,
        log: quiet,
        directory: join(this.directory, 'hybrid'),
        self,
        pools,
        config,
        release,
        locks,
        onNews: () => undefined,
      }),
      config,
      pools,
      release,
      inline: new InlineVolumes({ nodeId: NODE_ID, config, pools, store, settleSoon: () => undefined, log: quiet }),
      io: this.io,
      uses: new UseNotes({ node: NODE_ID, log: quiet }),
      pendingHeals: () => Promise.resolve(undefined),
      log: quiet,
    });
  }

  /** As after a crash of the role: nothing of what it knew is left, no descriptor is open, and all mounts are there. */
  restart(options: { readonly installation?: string; readonly pool?: PoolConfig } = {}): void {
    this.release.close();
    void this.pools.current(this.pool.name)?.tree.close();
    this.pool = options.pool ?? this.#pool;
    this.installation = options.installation ?? INSTALLATION;
    this.#start();
  }

  async close(): Promise<void> {
    this.release.close();
    await this.pools.detachAll();
    await this.#controlPools.detachAll();
    await this.#end();
    await this.io.close();
    await removeLeftovers(this.directory);
    await rm(this.directory, { recursive: true });
  }

  handle(id: string): string {
    return `${POOL}/${id}`;
  }

  /** Writes a volume as the controller would: data, record and, for a path of its own, the mark in the mirror. */
  async addVolume(id: string, fields: Partial<VolumeRecord> = {}): Promise<{ handle: string; path: string }> {
    const { tree } = this.control;
    const record = recordOf(id, fields);
    await tree.mkdirs(record.path, 0o777);
    await this.writeRecord(record);
    if (record.path !== defaultDataPath(id)) {
      const mirror = `${PATHS_DIRECTORY}/${record.path}`;
      await tree.mkdirs(mirror, 0o700);
      await tree.replaceFile(`.kayal/tmp-${id}`, `${mirror}/${PATH_MARKER}`, Buffer.from(id));
    }
    return { handle: this.handle(id), path: record.path };
  }

  async writeRecord(record: VolumeRecord): Promise<void> {
    const path = recordPath(record.id);
    await this.control.tree.mkdirs(path.slice(0, path.lastIndexOf('/')), 0o700);
    await this.control.tree.replaceFile(`.kayal/tmp-${record.id}`, path, formatRecord(record));
  }

  recordOf(id: string, fields: Partial<VolumeRecord> = {}): VolumeRecord {
    return recordOf(id, fields);
  }

  /** A target that does not exist yet, in a directory that does. */
  target(name: string): string {
    return join(this.directory, 'pods', name);
  }

  staging(name = 'staging'): string {
    return join(this.directory, name);
  }

  #call(method: string): CallContext {
    return { method, signal: new AbortController().signal, log: quiet };
  }

  stage(handle: string, context: Record<string, string> = {}): Promise<object> {
    return this.service.NodeStageVolume(
      {
        volume_id: handle,
        publish_context: {},
        staging_target_path: this.staging(),
        volume_capability: capability(),
        secrets: {},
        volume_context: context,
      },
      this.#call('NodeStageVolume'),
    );
  }

  unstage(handle: string): Promise<object> {
    return this.service.NodeUnstageVolume(
      { volume_id: handle, staging_target_path: this.staging() },
      this.#call('NodeUnstageVolume'),
    );
  }

  publish(handle: string, wish: PublishWish): Promise<object> {
    return this.service.NodePublishVolume(
      {
        volume_id: handle,
        publish_context: {},
        staging_target_path: wish.staging ?? this.staging(),
        target_path: wish.target,
        volume_capability: wish.capability ?? capability(),
        readonly: wish.readonly ?? false,
        secrets: {},
        volume_context: wish.context ?? {},
      },
      this.#call('NodePublishVolume'),
    );
  }

  unpublish(handle: string, target: string): Promise<object> {
    return this.service.NodeUnpublishVolume(
      { volume_id: handle, target_path: target },
      this.#call('NodeUnpublishVolume'),
    );
  }

  stats(handle: string, path: string, staging = ''): ReturnType<NodeService['NodeGetVolumeStats']> {
    return this.service.NodeGetVolumeStats(
      { volume_id: handle, volume_path: path, staging_target_path: staging },
      this.#call('NodeGetVolumeStats'),
    );
  }

  async mountsAt(target: string): Promise<MountEntry[]> {
    return (await readMountinfo()).filter((entry) => entry.target === target);
  }

  /** All mounts at targets of this bench. */
  async published(): Promise<MountEntry[]> {
    const prefix = join(this.directory, 'pods/');
    return (await readMountinfo()).filter(({ target }) => target.startsWith(prefix));
  }
}

async function prepare({ tree }: Attachment): Promise<void> {
  for (const directory of POOL_DIRECTORIES) await tree.mkdir(directory, 0o700);
  const file = formatPoolFile({
    formatVersion: 1,
    id: POOL_ID,
    name: POOL,
    owner: INSTALLATION,
    mechanism: 'none',
    createdAt: '2026-01-01T00:00:00Z',
  });
  await tree.createFile('.kayal/tmp', POOL_FILE, file);
}

function recordOf(id: string, fields: Partial<VolumeRecord>): VolumeRecord {
  return {
    formatVersion: 1,
    id,
    name: id,
    pool: POOL,
    poolId: POOL_ID,
    type: 'directory',
    path: defaultDataPath(id),
    imported: false,
    limitBytes: 1n << 20n,
    state: 'ready',
    quota: { mechanism: 'none' },
    owner: { uid: 0, gid: 0, mode: 0o777 },
    parameters: {},
    onDelete: 'delete',
    claim: {},
    createdAt: '2026-01-01T00:00:00Z',
    unknownFields: {},
    ...fields,
  };
}

function volfilesOf(managed: ManagedPool | undefined): Promise<ManagedPool> {
  return managed === undefined ? Promise.reject(new Error('the pool is not managed')) : Promise.resolve(managed);
}
