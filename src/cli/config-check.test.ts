import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkConfigFile } from './config-check.js';

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kayal-check-'));
});
afterEach(() => rm(directory, { recursive: true }));

describe('kayal config check', () => {
  it('says what a valid file holds', async () => {
    const file = join(directory, 'config.yaml');
    await writeFile(file, 'installation: home\npools: [{ name: a, type: directory, path: /mnt/a, shared: true }]\n');
    expect(await checkConfigFile(file)).toEqual({
      exitCode: 0,
      text: `${file}: valid; installation home, pools: 1\n  a: directory, quota auto\n`,
    });
  });

  it('ends with 1 and every problem when it is not', async () => {
    const file = join(directory, 'config.yaml');
    await writeFile(file, 'installation: ""\n');
    const { exitCode, text } = await checkConfigFile(file);
    expect(exitCode).toBe(1);
    expect(text.trimEnd().split('\n')).toHaveLength(2);
  });

  it('ends with 1 when the file is not there', async () => {
    expect(await checkConfigFile(join(directory, 'none'))).toMatchObject({ exitCode: 1 });
  });
});
