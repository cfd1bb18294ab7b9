import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadConfig, watchConfig, type ConfigWatch } from './config-file.js';
import type { Config } from './types.js';

const text = (installation: string): string => `installation: ${installation}\npools: []\n`;

let directory = '';
let watch: ConfigWatch | undefined;
let seen: string[] = [];

/** Follows `file` with short times; what happens is in `seen`. */
async function follow(file: string, options: { pollMs?: number } = {}): Promise<void> {
  const current: Config = await loadConfig(file);
  watch = watchConfig(
    file,
    (config) => seen.push(config.installation),
    (error) => seen.push(error.message),
    { current, settleMs: 20, pollMs: options.pollMs ?? 60_000 },
  );
  // Until the watch has read the file twice and its directories are watched.
  await new Promise((resolve) => setTimeout(resolve, 100));
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kayal-config-'));
  seen = [];
});

afterEach(async () => {
  watch?.close();
  await rm(directory, { recursive: true, force: true });
});

/** Notifications and timers of a busy machine come late. */
const soon = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 15_000 });

describe('loadConfig', () => {
  it('names the file that cannot be read', async () => {
    const file = join(directory, 'none.yaml');
    await expect(loadConfig(file)).rejects.toThrow(`${file}: cannot be read: ENOENT`);
  });
});

describe('watchConfig', () => {
  it('sees a file that is written in place', async () => {
    const file = join(directory, 'config.yaml');
    await writeFile(file, text('a'));
    await follow(file);
    await writeFile(file, text('b'));
    await soon(() => expect(seen).toEqual(['b']));
  });

  it('sees a file that an editor puts in its place, again and again', async () => {
    const file = join(directory, 'config.yaml');
    await writeFile(file, text('a'));
    await follow(file);
    for (const [round, name] of ['b', 'c', 'd'].entries()) {
      await writeFile(join(directory, '.config.swp'), text(name));
      await rename(join(directory, '.config.swp'), file);
      await soon(() => expect(seen).toHaveLength(round + 1));
    }
    expect(seen).toEqual(['b', 'c', 'd']);
  });

  it('sees the swapped ..data link of a ConfigMap volume', async () => {
    const file = join(directory, 'config.yaml');
    const publish = async (version: string): Promise<void> => {
      await mkdir(join(directory, version));
      await writeFile(join(directory, version, 'config.yaml'), text(version));
      await symlink(version, join(directory, '..data_tmp'));
      await rename(join(directory, '..data_tmp'), join(directory, '..data'));
    };
    await publish('v1');
    await symlink('..data/config.yaml', file);
    await follow(file);
    await publish('v2');
    await soon(() => expect(seen).toEqual(['v2']));
    await publish('v3');
    await rm(join(directory, 'v1'), { recursive: true });
    await soon(() => expect(seen).toEqual(['v2', 'v3']));
  });

  it('sees a change in the directory that the file links to', async () => {
    const elsewhere = join(directory, 'elsewhere');
    await mkdir(elsewhere);
    await mkdir(join(directory, 'etc'));
    await writeFile(join(elsewhere, 'real.yaml'), text('a'));
    const file = join(directory, 'etc', 'config.yaml');
    await symlink(join(elsewhere, 'real.yaml'), file);
    await follow(file);
    await writeFile(join(elsewhere, 'real.yaml'), text('b'));
    await soon(() => expect(seen).toEqual(['b']));
  });

  it('reports an invalid file once, keeps the old configuration and takes the next valid one', async () => {
    const file = join(directory, 'config.yaml');
    await writeFile(file, text('a'));
    await follow(file, { pollMs: 30 });
    await writeFile(file, 'pools: 1\n');
    await soon(() => expect(seen).toHaveLength(1));
    expect(seen[0]).toContain('pools: must be a list of pools (is 1)');
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(seen).toHaveLength(1);
    await writeFile(file, text('b'));
    await soon(() => expect(seen.slice(1)).toEqual(['b']));
  });

  it('reports a file that is gone, each time it goes', async () => {
    const file = join(directory, 'config.yaml');
    await writeFile(file, text('a'));
    await follow(file, { pollMs: 30 });
    for (const next of ['b', 'c']) {
      await rm(file);
      await soon(() => expect(seen.at(-1)).toContain('cannot be read: ENOENT'));
      await writeFile(file, text(next));
      await soon(() => expect(seen.at(-1)).toBe(next));
    }
    expect(seen).toHaveLength(4);
  });

  it('says nothing when only a comment or the order of keys changes', async () => {
    const file = join(directory, 'config.yaml');
    await writeFile(file, text('a'));
    await follow(file, { pollMs: 30 });
    await writeFile(file, `# new\npools: []\ninstallation: a\n`);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(seen).toEqual([]);
  });

  it('sees a change that was made between loading and watching', async () => {
    const file = join(directory, 'config.yaml');
    await writeFile(file, text('b'));
    watch = watchConfig(
      file,
      (config) => seen.push(config.installation),
      () => undefined,
      { current: { installation: 'a', pools: [] }, settleMs: 20 },
    );
    await soon(() => expect(seen).toEqual(['b']));
  });

  it('finds a change by polling when nothing was notified', async () => {
    const file = join(directory, 'etc', 'config.yaml');
    await mkdir(join(directory, 'etc'));
    await writeFile(file, text('a'));
    await follow(file, { pollMs: 30 });
    await rename(join(directory, 'etc'), join(directory, 'old'));
    await mkdir(join(directory, 'etc'));
    await writeFile(file, text('b'));
    await soon(() => expect(seen.at(-1)).toBe('b'));
  });

  it('tells nothing after close', async () => {
    const file = join(directory, 'config.yaml');
    await writeFile(file, text('a'));
    await follow(file, { pollMs: 30 });
    watch?.close();
    await writeFile(file, text('b'));
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(seen).toEqual([]);
  });
});
