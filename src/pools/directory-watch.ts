import { watch, type FSWatcher } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** A directory as inotify(7) knows it: by inode, so one that was replaced is another one. */
async function identify(directory: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await stat(directory);
    return `${dev}:${ino}:${directory}`;
  } catch {
    return undefined;
  }
}

/** The directory that names the file, and the one that holds it when that name is a symbolic link. */
async function directoriesOf(file: string): Promise<ReadonlyMap<string, string>> {
  const named = dirname(file);
  const holding = await realpath(file).then(dirname, () => named);
  const found = new Map<string, string>();
  for (const directory of [named, holding]) {
    const id = await identify(directory);
    if (id !== undefined) found.set(id, directory);
  }
  return found;
}

/**
 * Notifications about a file through its directories: a watch on the file itself follows the inode, and would see
 * nothing more once an editor or kubelet has put another file in its place.
 */
export class DirectoryWatch {
  readonly #file: string;
  readonly #onEvent: () => void;
  #watchers = new Map<string, FSWatcher>();
  #closed = false;

  constructor(file: string, onEvent: () => void) {
    this.#file = file;
    this.#onEvent = onEvent;
  }

  /** Watches the directories that hold the file now; what cannot be watched is left to the caller's polling. */
  async refresh(): Promise<void> {
    const directories = await directoriesOf(this.#file);
    if (this.#closed) return;
    for (const [id, watcher] of this.#watchers) {
      if (directories.has(id)) continue;
      watcher.close();
      this.#watchers.delete(id);
    }
    for (const [id, directory] of directories) if (!this.#watchers.has(id)) this.#watch(id, directory);
  }

  close(): void {
    this.#closed = true;
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers = new Map();
  }

  #watch(id: string, directory: string): void {
    try {
      const watcher = watch(directory, { persistent: false }, this.#onEvent);
      watcher.on('error', () => this.#watchers.delete(id));
      this.#watchers.set(id, watcher);
    } catch {
      // Out of inotify watches, or the directory went away meanwhile: the next refresh tries again.
    }
  }
}
