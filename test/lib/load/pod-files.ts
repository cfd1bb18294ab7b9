import { createHash } from 'node:crypto';
import { mkdir, open, readFile, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isErrno } from '../../../src/base/errors.js';
import { sleep } from '../wait.js';
import type { Files } from './told.js';

/** What a program sees of a client that has just died, and of one that comes up while bricks come and go (docs/reliability.md). */
const PASSING = ['ENOTCONN', 'ECONNABORTED', 'EIO', 'ESTALE', 'EBADF', 'EBADFD'] as const;
const PATIENCE_MS = 120_000;

export function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

/** What the pods of a run saw of their volumes. */
export class PodErrors {
  readonly counts = new Map<string, number>();

  /** Does it again while it fails as it may with a dead client. @throws what it throws else, or at last */
  async retried<T>(work: () => Promise<T>): Promise<T> {
    const until = performance.now() + PATIENCE_MS;
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!isErrno(error, ...PASSING) || performance.now() > until) throw error;
        this.counts.set(error.code ?? '', (this.counts.get(error.code ?? '') ?? 0) + 1);
        await sleep(100);
      }
    }
  }
}

/** Writes a file as a whole and to stable storage, as often as it takes. @returns its SHA-256 */
export async function writeSafely(errors: PodErrors, file: string, content: Buffer): Promise<string> {
  await errors.retried(async () => {
    // Not with its parents: where no volume is mounted any more this has to fail.
    await mkdir(dirname(file)).catch((error: unknown) => {
      if (!isErrno(error, 'EEXIST')) throw error;
    });
    const handle = await open(file, 'w');
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
  });
  return sha256(content);
}

/** The files below a directory. */
export async function readFiles(directory: string): Promise<Files> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => !entry.isDirectory());
  const hashed = files.map(async ({ parentPath, name }) => {
    const path = join(parentPath, name);
    return [path.slice(directory.length + 1), sha256(await readFile(path))] as const;
  });
  return new Map((await Promise.all(hashed)).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** How two sets of files differ, for a message; undefined: they do not. */
export function differenceOf(found: Files, wanted: Files): string | undefined {
  const lost = [...wanted.keys()].filter((name) => !found.has(name));
  const foreign = [...found.keys()].filter((name) => !wanted.has(name));
  const changed = [...wanted].filter(([name, hash]) => found.has(name) && found.get(name) !== hash);
  const parts = [
    lost.length === 0 ? '' : `lost: ${lost.join(', ')}`,
    foreign.length === 0 ? '' : `not its own: ${foreign.join(', ')}`,
    changed.length === 0 ? '' : `changed: ${changed.map(([name]) => name).join(', ')}`,
  ].filter(Boolean);
  return parts.length === 0 ? undefined : parts.join('; ');
}
