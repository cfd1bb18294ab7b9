import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { failedPrecondition, invalidArgument, isErrno, messageOf } from '../base/errors.js';
import type { PoolVolfiles } from '../pools/gluster-attachment.js';
import { poolPaths } from '../gluster/pool-processes.js';
import { remoteVolfilesOf } from '../gluster/remote-pool.js';
import { endClientsBelow } from '../gluster/stale-clients.js';
import { startTimeOf } from '../linux/process-info.js';
import { Tree } from '../linux/tree.js';
import { PoolMounts } from '../pools/mounts.js';
import type { PoolConfig } from '../pools/types.js';
import type { Settings } from './flags.js';
import { createRuntime, statePath, type Runtime } from './runtime.js';

/** What a command for people works with: mounts of its own, beside those of the roles, gone when it ends. */
export interface ToolPools {
  readonly runtime: Runtime;
  readonly control: PoolMounts;
  readonly client: PoolMounts;
}

/** What commands wrote for themselves. By a Tree, as that never leaves the filesystem: a mount that is still there loses nothing. */
async function removeFiles({ io, log }: Runtime, directory: string, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  try {
    const tree = await Tree.open(io, 'files of commands', directory);
    try {
      for (const name of names) await tree.removeTree(name);
    } finally {
      await tree.close();
    }
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return;
    log.warn({ directory, names, error: messageOf(error) }, 'what commands wrote for themselves is not removed yet');
  }
}

/** Ends the clients of commands that were killed, and removes what they wrote. */
async function endStaleTools(runtime: Runtime, directory: string): Promise<void> {
  const stale: string[] = [];
  for (const name of await readdir(directory).catch(() => [])) {
    const pid = Number(name);
    // Where a container's pids begin anew, a former command may have had ours.
    if (pid !== process.pid && (await startTimeOf(pid)) !== undefined) continue;
    stale.push(name);
  }
  await endClientsBelow(
    runtime.io,
    stale.map((name) => join(directory, name)),
  );
  await removeFiles(runtime, directory, stale);
}

/** Runs a command with pools at hand and ends its mounts afterwards. @throws ConfigError */
export async function withToolPools<T>(settings: Settings, work: (tools: ToolPools) => Promise<T>): Promise<T> {
  const logLevel = settings.logLevel === 'info' ? 'warn' : settings.logLevel;
  const runtime = await createRuntime({ ...settings, logLevel }, 'stderr');
  const { io, log, config } = runtime;
  // The bricks are the business of the process that runs them; a client needs no more of them than its volfile.
  const managed = async (name: string): Promise<PoolVolfiles> => {
    const remote = await remoteVolfilesOf(config.pools, name, statePath(runtime, 'managed'));
    if (remote !== undefined) return remote;
    const pool = config.pools.find((candidate) => candidate.name === name);
    const paths = poolPaths(statePath(runtime, 'managed', name));
    return { ...paths, talksTls: pool?.type === 'managed' && pool.tls !== undefined };
  };
  const own = `${process.pid}`;
  const mounts = (control: boolean): PoolMounts =>
    new PoolMounts({
      io,
      log,
      directory: statePath(runtime, 'tool', own, control ? 'control' : 'client'),
      control,
      nodeId: settings.nodeId,
      installation: config.installation,
      managed,
    });
  await endStaleTools(runtime, statePath(runtime, 'tool'));
  const tools = { runtime, control: mounts(true), client: mounts(false) };
  try {
    return await work(tools);
  } finally {
    await Promise.all([tools.control.detachAll(), tools.client.detachAll()]);
    await removeFiles(runtime, statePath(runtime, 'tool'), [own]);
    await io.close();
  }
}

/** @throws KayalError INVALID_ARGUMENT for an unknown pool, FAILED_PRECONDITION for a static-only one */
export function poolNamed(runtime: Runtime, name: string): PoolConfig {
  const { pools } = runtime.config;
  const pool = pools.find((candidate) => candidate.name === name);
  if (pool === undefined) {
    throw invalidArgument(`pool ${name} is not in the configuration (pools: ${pools.map((p) => p.name).join(', ')})`);
  }
  if (pool.staticOnly) throw failedPrecondition(`pool ${name} holds static volumes only: Kayal manages nothing in it`);
  return pool;
}
