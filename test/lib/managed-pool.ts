import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../../src/base/errors.js';
import { GlusterClient } from '../../src/gluster/client.js';
import { ManagedPool } from '../../src/gluster/managed-pool.js';
import { shapeOf, type GroupWish } from '../../src/gluster/volfile/group-shape.js';
import { IoWorkers } from '../../src/linux/io-workers.js';
import type { Logger } from '../../src/base/logger.js';
import type { ManagedPoolConfig } from '../../src/pools/types.js';
import type { MechanismName } from '../../src/quota/mechanism.js';
import { runCommand } from './run-command.js';

/** A logger that keeps what was said, for the message of a failed test. */
export function collectingLogger(lines: string[] = []): Logger {
  const at = (level: string) => (fields: object, message: string) => {
    lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  };
  const log: Logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), child: () => log };
  return log;
}

export interface PoolWish extends GroupWish {
  readonly name: string;
  readonly quota?: MechanismName;
  /** Paths of the bricks; `<directory>/bricks/<name>-<n>` by default. */
  readonly bricks?: readonly string[];
  readonly profile?: ManagedPoolConfig['quotaProfile'];
}

/** Pools below one directory, and their clients, all of which `stopAll` ends. */
export class PoolBench {
  readonly directory: string;
  readonly lines: string[] = [];
  readonly log: Logger = collectingLogger(this.lines);
  readonly io: IoWorkers = new IoWorkers({ log: this.log });
  readonly #pools: ManagedPool[] = [];
  readonly #clients: GlusterClient[] = [];

  constructor(directory: string) {
    this.directory = directory;
  }

  config({ name, bricks, quota = 'none', profile = 'exact', ...layout }: PoolWish): ManagedPoolConfig {
    const { size } = shapeOf(layout);
    const paths = Array.from({ length: size }, (_, index) => join(this.directory, 'bricks', `${name}-${index}`));
    return {
      type: 'managed',
      name,
      quota,
      overcommit: 1,
      staticOnly: false,
      ...layout,
      bricks: bricks ?? paths,
      clientCache: true,
      quotaStrict: false,
      quotaProfile: profile,
    };
  }

  state(name: string): string {
    return join(this.directory, 'state', name);
  }

  async start(wish: PoolWish): Promise<ManagedPool> {
    await mkdir(join(this.directory, 'bricks'), { recursive: true });
    const pool = await ManagedPool.start({
      config: this.config(wish),
      quota: wish.quota ?? 'none',
      directory: this.state(wish.name),
      log: this.log,
      io: this.io,
    });
    this.#pools.push(pool);
    return pool;
  }

  mountPoint(name: string): string {
    return join(this.directory, 'mnt', name);
  }

  /** A mount of the pool; `control`: one that may set limits and is not bound by them. */
  async mount(pool: ManagedPool, control = false): Promise<{ client: GlusterClient; path: string }> {
    const { pool: name } = pool.layout;
    const path = this.mountPoint(control ? `${name}-control` : name);
    await mkdir(join(this.directory, 'mnt'), { recursive: true });
    // mkdir -p would look at a dead mount.
    await mkdir(path).catch((error: unknown) => {
      if (!isErrno(error, 'EEXIST')) throw error;
    });
    const client = await GlusterClient.start({
      name,
      mountPoint: path,
      source: { kind: 'volfile', path: control ? pool.controlVolfile : pool.clientVolfile },
      options: {},
      control,
      directory: `${path}.d`,
      log: this.log,
      io: this.io,
    });
    this.#clients.push(client);
    return { client, path };
  }

  async stopClients(): Promise<void> {
    await Promise.all(this.#clients.splice(0).map((client) => client.stop()));
  }

  async stopAll(): Promise<void> {
    await this.stopClients();
    await Promise.all(this.#pools.splice(0).map((pool) => pool.stop()));
    await this.io.close();
  }
}

/** Sets classic quota's limit of a directory below a control mount. */
export async function setQuotaLimit(directory: string, bytes: bigint): Promise<void> {
  const value = Buffer.alloc(16);
  value.writeBigInt64BE(bytes, 0);
  value.writeBigInt64BE(-1n, 8);
  const name = 'trusted.glusterfs.quota.limit-set';
  const { code, stderr } = await runCommand('setfattr', ['-n', name, '-v', `0x${value.toString('hex')}`, directory]);
  if (code !== 0) throw new Error(stderr);
}

/** Writes zeros with dd(1), so that a write that hangs hangs somebody else. */
export async function writeMiB(file: string, count: number): Promise<{ ok: boolean; stderr: string }> {
  const { code, stderr } = await runCommand('dd', [
    'if=/dev/zero',
    `of=${file}`,
    'bs=1M',
    `count=${count}`,
    'conv=fsync',
  ]);
  return { ok: code === 0, stderr };
}
