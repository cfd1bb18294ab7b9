import { join } from 'node:path';
import { messageOf } from '../base/errors.js';
import { ConfigError, parseConfig } from './config.js';
import { readConfigTexts, type ConfigPlaces, type ConfigTexts } from './config-texts.js';
import { DirectoryWatch } from './directory-watch.js';
import type { Config } from './types.js';

/**
 * Reads and checks the configuration file, and the pools that have files of their own.
 * @throws ConfigError that lists every problem
 */
export async function loadConfig(file: string, poolsDirectory?: string): Promise<Config> {
  const { text, pools } = await readConfigTexts({ file, poolsDirectory });
  return parseConfig(text, file, pools);
}

function asConfigError(file: string, error: unknown): ConfigError {
  return error instanceof ConfigError ? error : new ConfigError(file, [messageOf(error)], { cause: error });
}

function tryParse({ text, pools }: ConfigTexts, file: string): Config | ConfigError {
  try {
    return parseConfig(text, file, pools);
  } catch (error) {
    return asConfigError(file, error);
  }
}

export interface ConfigWatch {
  close(): void;
}

export interface ConfigWatchOptions {
  /** The configuration in use; without it the first valid one that is read counts as such. */
  readonly current?: Config | undefined;
  /** How long a file must stay the same before it is used, so that half of one never passes for the whole. */
  readonly settleMs?: number | undefined;
  /** Where pools have files of their own. */
  readonly poolsDirectory?: string | undefined;
  /** How often the file is read even if nothing was notified (network file systems notify nothing). */
  readonly pollMs?: number | undefined;
}

class FileWatch implements ConfigWatch {
  readonly #places: ConfigPlaces;
  readonly #onChange: (config: Config) => void;
  readonly #onError: (error: ConfigError) => void;
  readonly #settleMs: number;
  readonly #directories: readonly DirectoryWatch[];
  readonly #poll: NodeJS.Timeout;
  #settling: NodeJS.Timeout | undefined;
  /** The configuration in use, as JSON: a new comment in the file is no new configuration. */
  #current: string | undefined;
  /** What was read last and since when (performance.now()), waiting to be read the same `settleMs` later. */
  #candidate: { readonly text: string; readonly since: number } | undefined;
  /** The text that was used or refused last. */
  #settled: string | undefined;
  #reported: string | undefined;
  #closed = false;

  constructor(
    file: string,
    onChange: (config: Config) => void,
    onError: (error: ConfigError) => void,
    options: ConfigWatchOptions,
  ) {
    const { poolsDirectory } = options;
    this.#places = { file, poolsDirectory };
    this.#onChange = onChange;
    this.#onError = onError;
    this.#settleMs = options.settleMs ?? 200;
    this.#current = options.current === undefined ? undefined : JSON.stringify(options.current);
    const named = poolsDirectory === undefined ? [] : [join(poolsDirectory, 'POOL.yaml')];
    this.#directories = [file, ...named].map((path) => new DirectoryWatch(path, () => this.#settle()));
    this.#poll = setInterval(() => void this.#read(), options.pollMs ?? 10_000).unref();
    void this.#read();
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#poll);
    clearTimeout(this.#settling);
    for (const directory of this.#directories) directory.close();
  }

  /**
   * Reads `settleMs` after the first notification. Not after the last: other files of the directory (a log) may change
   * all the time, and whether the text has settled is seen from the text.
   */
  #settle(): void {
    if (this.#closed || this.#settling !== undefined) return;
    this.#settling = setTimeout(() => {
      this.#settling = undefined;
      void this.#read();
    }, this.#settleMs).unref();
  }

  async #read(): Promise<void> {
    const { file } = this.#places;
    await Promise.all(this.#directories.map((directory) => directory.refresh()));
    const texts = await readConfigTexts(this.#places).catch((error: unknown) => asConfigError(file, error));
    if (this.#closed) return;
    if (texts instanceof ConfigError) {
      this.#settled = undefined;
      this.#report(texts);
      return;
    }
    if (!this.#hasSettled(JSON.stringify(texts))) return;
    const config = tryParse(texts, file);
    if (config instanceof ConfigError) this.#report(config);
    else this.#use(config);
  }

  #hasSettled(text: string): boolean {
    if (text === this.#settled) return false;
    const now = performance.now();
    if (text !== this.#candidate?.text) this.#candidate = { text, since: now };
    if (now - this.#candidate.since < this.#settleMs) {
      this.#settle();
      return false;
    }
    this.#settled = text;
    return true;
  }

  #use(config: Config): void {
    this.#reported = undefined;
    const json = JSON.stringify(config);
    const isFirst = this.#current === undefined;
    const isSame = this.#current === json;
    this.#current = json;
    if (!isFirst && !isSame) this.#onChange(config);
  }

  #report(error: ConfigError): void {
    if (this.#closed || error.message === this.#reported) return;
    this.#reported = error.message;
    this.#onError(error);
  }
}

/**
 * Follows the configuration file: edited in place, replaced by a rename (editors), or by a swapped symbolic link
 * (Kubernetes mounts a ConfigMap so). A file that is not valid, or gone, is reported once through `onError`, and the
 * old configuration stays in use. Does not keep the process alive.
 */
export function watchConfig(
  file: string,
  onChange: (config: Config) => void,
  onError: (error: ConfigError) => void,
  options: ConfigWatchOptions = {},
): ConfigWatch {
  return new FileWatch(file, onChange, onError, options);
}
