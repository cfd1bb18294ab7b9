import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno, messageOf } from '../base/errors.js';
import { ConfigError, type PoolText } from './config.js';

/** Where the configuration is. */
export interface ConfigPlaces {
  readonly file: string;
  /** A directory of files NAME.yaml with a pool each; it need not be there. */
  readonly poolsDirectory?: string | undefined;
}

/** The configuration as it was read, not understood yet. */
export interface ConfigTexts {
  readonly text: string;
  readonly pools: readonly PoolText[];
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new ConfigError(file, [`cannot be read: ${messageOf(error)}`], { cause: error });
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw new ConfigError(directory, [`cannot be read: ${messageOf(error)}`], { cause: error });
  }
}

/** @throws ConfigError for what cannot be read */
export async function readConfigTexts({ file, poolsDirectory }: ConfigPlaces): Promise<ConfigTexts> {
  const text = await readText(file);
  if (poolsDirectory === undefined) return { text, pools: [] };
  // Names that begin with a dot are kubelet's own, of a mounted Secret.
  const names = (await namesIn(poolsDirectory)).filter((name) => /^[^.].*\.yaml$/.test(name)).toSorted();
  const pools = names.map(async (name): Promise<PoolText> => {
    const path = join(poolsDirectory, name);
    return { file: path, text: await readText(path) };
  });
  return { text, pools: await Promise.all(pools) };
}
