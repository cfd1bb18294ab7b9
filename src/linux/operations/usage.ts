import { statusOf, statusOfName, type Status } from '../stat.js';
import type { Budget } from '../slices.js';
import { walkSome, type WalkPosition } from './walk.js';

/** A file with several names: whoever adds the slices up counts it once. */
export interface LinkedFile {
  readonly ino: bigint;
  readonly bytes: bigint;
}

export interface UsageSlice {
  readonly position: WalkPosition;
  /** Allocated bytes (st_blocks × 512), as du(1) counts. */
  readonly bytes: bigint;
  readonly inodes: bigint;
  readonly linked: readonly LinkedFile[];
}

/** Adds up a part of what the files below a directory take. */
export function countUsage(root: number, position: WalkPosition, budget: Budget): UsageSlice {
  let bytes = 0n;
  let inodes = 0n;
  const linked: LinkedFile[] = [];
  const add = (status: Status): void => {
    bytes += status.allocated;
    inodes++;
  };
  const next = walkSome(root, position, budget, {
    directory: (fd, about) => {
      add(statusOf(fd, about));
    },
    entry: (directory, entry, _type, about) => {
      const status = statusOfName(directory, entry.bytes, about);
      if (status.links > 1) linked.push({ ino: status.ino, bytes: status.allocated });
      else add(status);
    },
  });
  return { position: next, bytes, inodes, linked };
}
