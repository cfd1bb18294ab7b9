import { createHash } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { CACHE } from '../lib/cache.js';

/** @returns a short digest of the contents of files and directories, and their names */
export async function hashFiles(paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  const add = async (path: string): Promise<void> => {
    const names = await readdir(path).catch(() => undefined);
    if (names === undefined) hash.update(path).update(await readFile(path));
    else for (const name of names.sort()) await add(join(path, name));
  };
  for (const path of paths) await add(path);
  return hash.digest('hex').slice(0, 12);
}

/** Takes older archives of the same kind out of the cache: each has hundreds of megabytes. */
export async function forget(kind: string, but: string): Promise<void> {
  const names = await readdir(CACHE);
  const old = names.filter((name) => name.startsWith(kind) && name.endsWith('.tar') && name !== basename(but));
  for (const name of old) await rm(join(CACHE, name));
}
