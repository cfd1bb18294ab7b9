import { join } from 'node:path';
import { isErrno, messageOf, unavailable } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { ClientDevices } from '../gluster/client-devices.js';
import type { ClientHost } from '../gluster/client-host.js';
import { GlusterClient, type ClientSource } from '../gluster/client.js';
import { servingFirst } from '../gluster/server-order.js';
import { checkTlsFiles, managementTls } from '../gluster/tls-files.js';
import { machine } from '../linux/machine.js';
import type { IoWorkers } from '../linux/io-workers.js';
import { readMountinfo } from '../linux/mountinfo.js';
import { Tree } from '../linux/tree.js';
import { locate } from './mount-location.js';
import type { OpenPool } from './open-pool.js';
import type { GlusterPoolConfig, ManagedPoolConfig } from './types.js';

/** Where the clients of a managed pool find their graphs. */
export interface PoolVolfiles {
  readonly clientVolfile: string;
  readonly controlVolfile: string;
  readonly talksTls: boolean;
}

export interface GlusterAttachmentOptions {
  readonly pool: ManagedPoolConfig | GlusterPoolConfig;
  /** Of this pool alone: mount point, log and pid file lie below it. */
  readonly directory: string;
  readonly control: boolean;
  readonly managed: (pool: string) => Promise<PoolVolfiles>;
  /** Where the client runs; default: beside us. */
  readonly host?: ClientHost | undefined;
  readonly io: IoWorkers;
  readonly log: Logger;
  /** Remembers which mounts are this pool's. */
  readonly devices: ClientDevices;
  /** The client ended, and nobody had asked it to. */
  readonly onLost: () => void;
}

/** Where a pool's client is mounted, given the directory of the pool. */
export function mountPointIn(directory: string): string {
  return join(directory, 'mnt');
}

async function sourceOf({ pool, control, managed }: GlusterAttachmentOptions): Promise<ClientSource> {
  if (pool.type === 'gluster') {
    const { hosts, volume, tls } = pool;
    return { kind: 'servers', hosts: await servingFirst(hosts, volume, managementTls(pool)), volume, tls };
  }
  const { clientVolfile, controlVolfile, talksTls } = await managed(pool.name);
  return { kind: 'volfile', path: control ? controlVolfile : clientVolfile, talksTls };
}

/** Never stats what is there: a dead mount would hang; mkdir(2) finds a mount point to exist without asking it. */
async function makeMountPoint(directory: string): Promise<string> {
  await machine.mkdir(directory, { recursive: true, mode: 0o700 });
  const mountPoint = mountPointIn(directory);
  try {
    await machine.mkdir(mountPoint, { mode: 0o700 });
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
  }
  return mountPoint;
}

/**
 * Starts or adopts the pool's GlusterFS client and opens its mount.
 * @throws KayalError UNAVAILABLE with the reason
 */
export async function openGluster(options: GlusterAttachmentOptions): Promise<OpenPool> {
  const { pool, control, io, directory } = options;
  const source = await sourceOf(options);
  const mountPoint = await makeMountPoint(directory);
  const log = options.log.child({ pool: pool.name, control });
  const client = await GlusterClient.start({
    name: pool.name,
    mountPoint,
    source,
    options: pool.type === 'gluster' ? pool.options : {},
    control,
    directory,
    log,
    io,
    host: options.host,
    prepare: async () => {
      if (pool.tls !== undefined) await checkTlsFiles(pool.name, pool.tls);
    },
  });
  let stopping = false;
  client.onExit(() => {
    if (stopping) return;
    log.warn({ pid: client.pid }, 'the GlusterFS client ended; it is started again when it is needed');
    options.onLost();
  });
  const tree = await Tree.open(io, pool.name, mountPoint);
  const location = locate(await readMountinfo(), mountPoint);
  // A client that was refused by its bricks unmounts itself: what lies there then is the local disk.
  if (location?.target !== mountPoint || location.dev !== tree.dev || !location.fsType.startsWith('fuse')) {
    await tree.close();
    throw unavailable(`pool ${pool.name}: its client is not mounted at ${mountPoint}; see the log in ${directory}`);
  }
  try {
    await options.devices.add({ dev: tree.dev, ...client.process });
  } catch (error) {
    await tree.close();
    throw error;
  }
  return {
    tree,
    location,
    isAlive: () => client.alive(),
    stop: async () => {
      stopping = true;
      try {
        await client.stop();
      } catch (error) {
        throw unavailable(`pool ${pool.name}: its client at ${mountPoint} cannot be stopped: ${messageOf(error)}`, {
          cause: error,
        });
      }
    },
  };
}
