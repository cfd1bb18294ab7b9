import { open, readFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { unavailable } from '../base/errors.js';
import { isProcessAlive } from '../linux/process-info.js';
import { spawnDetached } from './processes.js';
import type { ProcessId, RunningProcess } from './running-process.js';

/** Descriptors of where a program goes; unlike a pid they cannot become another container's. */
interface Ways {
  readonly mnt: FileHandle;
  readonly net: FileHandle;
  readonly root: FileHandle;
}

async function closeAll(handles: readonly FileHandle[]): Promise<void> {
  await Promise.all(handles.map((handle) => handle.close()));
}

async function openWays({ pid, startTime }: ProcessId): Promise<Ways> {
  const opened: FileHandle[] = [];
  const openOne = async (path: string): Promise<FileHandle> => {
    const handle = await open(`/proc/${pid}/${path}`, 'r');
    opened.push(handle);
    return handle;
  };
  try {
    const ways = { mnt: await openOne('ns/mnt'), net: await openOne('ns/net'), root: await openOne('root') };
    // After they were opened, so that what was opened is that process's.
    if (await isProcessAlive(pid, startTime)) return ways;
    throw unavailable(`process ${pid} has just ended`);
  } catch (error) {
    await closeAll(opened);
    throw error;
  }
}

/** nsenter(1), as setns(2) for mounts is refused to a process with several threads. */
function entering({ mnt, net, root }: Ways, argv: readonly string[]): string[] {
  const path = ({ fd }: FileHandle): string => `/proc/${process.pid}/fd/${fd}`;
  return [
    'nsenter',
    `--mount=${path(mnt)}`,
    `--net=${path(net)}`,
    `--root=${path(root)}`,
    `--wd=${path(root)}`,
    '--',
    ...argv,
  ];
}

/** Until nsenter has become the program it may still need the descriptors. */
async function waitUntilInside(child: RunningProcess): Promise<void> {
  while (child.alive()) {
    const name = await readFile(`/proc/${child.pid}/comm`, 'utf8').catch(() => 'nsenter');
    if (name.trim() !== 'nsenter') return;
    await sleep(1);
  }
}

/**
 * Starts a program that outlives us in the mount and network namespace of a process, with its root: it finds that
 * container's programs, files and network, and stays in our cgroups and pid namespace.
 * @throws KayalError UNAVAILABLE when the process has ended; Error ENOENT when it ended before
 */
export async function spawnInside(target: ProcessId, argv: readonly string[]): Promise<RunningProcess> {
  const ways = await openWays(target);
  try {
    const child = await spawnDetached(entering(ways, argv));
    await waitUntilInside(child);
    return child;
  } finally {
    await closeAll([ways.mnt, ways.net, ways.root]);
  }
}
