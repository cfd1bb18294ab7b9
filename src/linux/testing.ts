/* What the tests of this layer share. They run as root, on the real kernel. */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from '../base/logger.js';
import { IoWorkers, type IoWorkersOptions } from './io-workers.js';
import { Tree } from './tree.js';

export const quiet: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => quiet,
};

/** Runs `work` with io workers and ends them. */
export async function withWorkers<T>(
  work: (io: IoWorkers) => Promise<T>,
  options: Partial<IoWorkersOptions> = {},
): Promise<T> {
  const io = new IoWorkers({ log: quiet, ...options });
  try {
    return await work(io);
  } finally {
    await io.close();
  }
}

/** Runs `work` with a new directory and removes it with all that is mounted in it. */
export async function withDirectory<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'kayal-test-'));
  try {
    return await work(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

export interface TreeBench {
  readonly io: IoWorkers;
  readonly tree: Tree;
  /** The root of the tree. */
  readonly root: string;
  /** A directory beside it, for what the tree must not reach. */
  readonly outside: string;
}

let shared: IoWorkers | undefined;

/** Runs `work` with a tree in a new directory. The trees of one test file share their threads, which end with the process. */
export async function withTree<T>(work: (bench: TreeBench) => Promise<T>): Promise<T> {
  shared ??= new IoWorkers({ log: quiet });
  const io = shared;
  return withDirectory(async (directory) => {
    const root = join(directory, 'root');
    const outside = join(directory, 'outside');
    mkdirSync(root);
    mkdirSync(outside);
    const tree = await Tree.open(io, 'test', root);
    try {
      return await work({ io, tree, root, outside });
    } finally {
      await tree.close();
    }
  });
}

/**
 * Runs `work` with a FUSE filesystem mounted on a directory that answers nothing, as Gluster does when its bricks
 * hang; `release` makes every call in it fail, as when its process ends.
 */
export async function withHungMount<T>(directory: string, work: (release: () => void) => Promise<T>): Promise<T> {
  let device: number | undefined = openSync('/dev/fuse', 'r+');
  const release = (): void => {
    if (device !== undefined) closeSync(device);
    device = undefined;
  };
  try {
    const options = 'fd=3,rootmode=40000,user_id=0,group_id=0';
    execFileSync('mount', ['-i', '-t', 'fuse', '-o', options, 'hung', directory], {
      stdio: ['ignore', 'ignore', 'inherit', device],
    });
    try {
      return await work(release);
    } finally {
      release();
      execFileSync('umount', ['--lazy', directory]);
    }
  } finally {
    release();
  }
}
