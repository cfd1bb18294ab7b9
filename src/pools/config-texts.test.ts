import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadConfig, watchConfig, type ConfigWatch } from './config-file.js';

let directory = '';
let watch: ConfigWatch | undefined;
const file = (): string => join(directory, 'config.yaml');
const pools = (): string => join(directory, 'pools');
const pool = (name: string): string => `{name: ${name}, type: gluster, hosts: [h], volume: ${name}}`;

const names = async (): Promise<string[]> => (await loadConfig(file(), pools())).pools.map(({ name }) => name);

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kayal-pools-'));
  await writeFile(file(), `installation: i\npools: [${pool('own')}]\n`);
});

afterEach(async () => {
  watch?.close();
  await rm(directory, { recursive: true, force: true });
});

/** As kubelet mounts a Secret: names are links into a directory that is a link itself, which is swapped. */
async function mountSecret(version: string, files: Readonly<Record<string, string>>): Promise<void> {
  const real = join(pools(), `..${version}`);
  await mkdir(real, { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(real, name), text);
    await symlink(join('..data', name), join(pools(), name)).catch(() => undefined);
  }
  await symlink(`..${version}`, join(pools(), '..tmp'));
  await rename(join(pools(), '..tmp'), join(pools(), '..data'));
}

describe('pools in files of their own', () => {
  it('are there beside those of the configuration file', async () => {
    expect(await names()).toEqual(['own']);
    await mountSecret('1', { 'b.yaml': pool('b'), 'a.yaml': pool('a'), 'notes.txt': '?' });
    expect(await names()).toEqual(['own', 'a', 'b']);
  });

  it('are checked as the others are, and with them', async () => {
    await mountSecret('1', { 'a.yaml': pool('a').replace('volume: a', 'volume: "a b"') });
    await expect(names()).rejects.toThrow(
      `${file()}: in ${join(pools(), 'a.yaml')}: volume: must be a GlusterFS volume`,
    );
    await mountSecret('2', { 'a.yaml': '[]' });
    await expect(names()).rejects.toThrow(/a\.yaml: it: must be a mapping with name, type/);
    await mountSecret('3', { 'a.yaml': pool('own') });
    await expect(names()).rejects.toThrow(/pools\[1\]\.name: must not be the name of pools\[0\] too/);
    await mountSecret('4', { 'a.yaml': '{' });
    await expect(names()).rejects.toThrow(/a\.yaml: is not YAML/);
  });

  it('are picked up when kubelet swaps them, and kept when what comes is not valid', async () => {
    await mountSecret('1', { 'a.yaml': pool('a') });
    const seen: string[] = [];
    watch = watchConfig(
      file(),
      (config) => seen.push(config.pools.map(({ name }) => name).join(' ')),
      (error) => seen.push(error.message),
      { current: await loadConfig(file(), pools()), settleMs: 20, pollMs: 60_000, poolsDirectory: pools() },
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    const soon = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 15_000 });
    await mountSecret('2', { 'a.yaml': pool('a'), 'b.yaml': pool('b') });
    await soon(() => expect(seen.at(-1)).toBe('own a b'));
    await mountSecret('3', { 'a.yaml': 'nonsense', 'b.yaml': pool('b') });
    await soon(() => expect(seen.at(-1)).toMatch(/a\.yaml/));
    await mountSecret('4', { 'a.yaml': pool('a'), 'b.yaml': pool('b').replace('hosts: [h]', 'hosts: [g]') });
    await soon(() => expect(seen.at(-1)).toBe('own a b'));
  });
});
