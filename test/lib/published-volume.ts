import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { VolumeContentSource } from '../../src/gen/csi/v1/VolumeContentSource.js';
import type { Driver } from './driver.js';
import { SHARED, createRequest, retried, type VolumeWish } from './requests.js';
import { mustRun, runCommand } from './run-command.js';
import { sleep } from './wait.js';

/** A volume as a pod has it: made, staged and published. */
export interface PublishedVolume {
  readonly handle: string;
  /** The target path. */
  readonly path: string;
  /** The volume's directory in the pool. */
  readonly poolPath: string;
  /** Takes the publish away, the volume stays. */
  unpublish(): Promise<void>;
}

/** @param source what it is cloned from; absent: it is empty */
export async function publishNew(
  driver: Pick<Driver, 'client' | 'directory'>,
  name: string,
  wish: VolumeWish,
  source?: VolumeContentSource,
): Promise<PublishedVolume> {
  const content = source === undefined ? {} : { volume_content_source: source };
  const asked = { ...createRequest(name, wish), ...content };
  const { volume } = await retried(() => driver.client.controller.CreateVolume(asked));
  const handle = volume?.volume_id ?? '';
  const staging_target_path = join(driver.directory, `${name}-staging`);
  const target_path = join(driver.directory, `${name}-target`);
  await mkdir(staging_target_path, { recursive: true });
  const request = { volume_id: handle, staging_target_path, volume_capability: SHARED };
  await retried(() => driver.client.node.NodeStageVolume(request));
  await retried(() => driver.client.node.NodePublishVolume({ ...request, target_path }));
  return {
    handle,
    path: target_path,
    poolPath: volume?.volume_context['path'] ?? '',
    unpublish: async () => {
      await driver.client.node.NodeUnpublishVolume({ volume_id: handle, target_path });
      await driver.client.node.NodeUnstageVolume({ volume_id: handle, staging_target_path });
    },
  };
}

/** The size that df shows, in bytes. */
export async function dfBytes(path: string): Promise<number> {
  const text = await mustRun('df', ['--output=size', '-B1', path]);
  return Number(text.trim().split('\n')[1]);
}

export interface Fill {
  /** Space that the file takes now, in bytes; dd's own count holds what write-behind had taken and could not place. */
  readonly usedBytes: number;
  /** dd's last words. */
  readonly error: string;
}

/** Runs a program as uid 1000 in a directory that it could not reach by its path. */
export function runUnprivileged(cwd: string, program: string, args: readonly string[]): ReturnType<typeof runCommand> {
  return runCommand('setpriv', ['--reuid', '1000', '--clear-groups', program, ...args], {
    cwd,
    env: { ...process.env, LC_ALL: 'C' },
    timeoutMs: 300_000,
  });
}

/**
 * An unprivileged process appends to a file of the directory until nothing more goes in: fast first, then block by block
 * and each to the bricks, as write-behind gives a large write up as a whole.
 * @throws Error when nothing stops it
 */
export async function fill(directory: string, file: string, maxMiB: number): Promise<Fill> {
  const append = ['if=/dev/zero', `of=${file}`, 'conv=notrunc,fsync'];
  await runUnprivileged(directory, 'dd', [...append, 'bs=1M', `count=${maxMiB}`, 'oflag=append']);
  const { code, stderr } = await runUnprivileged(directory, 'dd', [
    ...append,
    'bs=4k',
    'count=1024',
    'oflag=append,dsync',
  ]);
  if (code === 0) throw new Error(`nothing stopped the writer of ${file} in ${directory} within ${maxMiB + 4} MiB`);
  // The client's attribute cache lasts a second.
  await sleep(1_500);
  const { blocks } = await stat(join(directory, file));
  return { usedBytes: blocks * 512, error: stderr.trim().split('\n')[0] ?? '' };
}
