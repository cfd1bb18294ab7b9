import { dirname, join } from 'node:path';
import { failedPrecondition, unavailable } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { inspectBrick, labelBrick } from '../gluster/brick-label.js';
import { contradiction } from '../gluster/brick-plan.js';
import { remoteQuota, type RemotePoolConfig } from '../gluster/remote-pool.js';
import { describeShape, shapeOf } from '../gluster/volfile/group-shape.js';
import { bricksKey } from '../linux/brick-connection.js';
import type { IoWorkers } from '../linux/io-workers.js';
import { mountBrickDevice, refuseUsedFilesystem } from './brick-device.js';
import { HalfFormatted } from './half-formatted.js';

export interface BrickPlace {
  readonly config: RemotePoolConfig;
  /** The number of the brick in the pool. */
  readonly index: number;
  /** Its block device; absent: its directory's parent is there already. */
  readonly device?: string | undefined;
  /** Whether the brick is made where nothing is: only until it was seen to be there for the first time. */
  readonly mayMake: boolean;
  /** Mode 0700, of this brick alone. */
  readonly directory: string;
  readonly io: IoWorkers;
  readonly log: Logger;
}

const ABSENT_TEXT = {
  'no-parent': 'neither it nor its parent directory exists',
  absent: 'it does not exist',
  empty: 'it is empty',
} as const;

/**
 * Sees to it that the brick of that number is at its path: mounts its device, makes it when it is new, and makes sure that
 * what is there is this brick and no other one.
 * @returns its path
 * @throws KayalError FAILED_PRECONDITION for what is something else, UNAVAILABLE when it is not there
 */
export async function provideBrick(place: BrickPlace): Promise<string> {
  const { config, index, device, mayMake, io, log } = place;
  const path = config.bricks[index];
  if (path === undefined) {
    throw failedPrecondition(`pool ${config.name} has ${config.bricks.length} bricks, and none of number ${index}`);
  }
  const key = bricksKey(config.name);
  const mountPoint = dirname(path);
  const half = new HalfFormatted(join(place.directory, 'formatting.json'));
  if (device !== undefined) await mountBrickDevice({ io, key, device, mountPoint, mayMake, half, log });
  const { volumeId } = config.remote;
  const [quota, shape] = [remoteQuota(config), shapeOf(config)];
  const finding = await inspectBrick(io, config.name, path);
  switch (finding.kind) {
    case 'labelled': {
      const input = { pool: config.name, quota, shape, bricks: config.bricks, identity: { volumeId } };
      const wrong = contradiction(finding.label, index, input);
      if (wrong !== undefined)
        throw failedPrecondition(`brick ${index} of pool ${config.name}: what is there ${wrong}`);
      break;
    }
    case 'foreign':
      throw failedPrecondition(`brick ${index} of pool ${config.name}: ${path} holds ${finding.what}`);
    case 'unreadable':
      throw unavailable(`brick ${index} of pool ${config.name}: ${path} cannot be read: ${finding.reason}`);
    default:
      if (!mayMake || finding.kind === 'no-parent') {
        throw unavailable(
          `brick ${index} of pool ${config.name} is missing (${ABSENT_TEXT[finding.kind]})` +
            (mayMake ? '' : ' while it is not new: is its disk there? Nothing is made in its place'),
        );
      }
      if (device !== undefined) await refuseUsedFilesystem(device, mountPoint, path);
  }
  // Also for one that has its label: the last step of labelling may be what a crash prevented.
  const label = {
    pool: config.name,
    index,
    count: config.bricks.length,
    volumeId,
    quota,
    layout: describeShape(shape),
  };
  const mode = config.staticOnly ? 0o755 : 0o700;
  if (mayMake) await labelBrick(io, { path, label, mode: finding.kind === 'labelled' ? undefined : mode });
  return path;
}
