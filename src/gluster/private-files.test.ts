import { mkdtemp, readFile, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startTimeOf } from '../linux/process-info.js';
import {
  makePrivateDirectory,
  preparePrivateLog,
  readOwnFile,
  readTextFile,
  writePrivateFile,
} from './private-files.js';

describe('private files', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'private-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;

  it('are for root alone, whatever was there before', async () => {
    const path = join(directory, 'a/b');
    await makePrivateDirectory(path);
    expect(await modeOf(path)).toBe(0o700);
    const file = join(path, 'file');
    await writeFile(file, 'old', { mode: 0o644 });
    await writePrivateFile(file, 'new');
    expect(await readFile(file, 'utf8')).toBe('new');
    expect(await modeOf(file)).toBe(0o600);
    expect(await readTextFile(join(path, 'none'))).toBeUndefined();
  });

  it('leaves nothing half written behind, of this process or of one that was killed', async () => {
    const file = join(directory, 'file');
    const half = (rest: string): Promise<void> => writeFile(join(directory, `file.${rest}.tmp`), 'secret');
    // No process has the pid 2^22 (proc_sys_kernel(5), pid_max); pid 1 lives and may be at work, but not one that began later.
    const first = await startTimeOf(1);
    for (const rest of ['4194304-5-1', `${process.pid}-5-1000000`, '1-99999999999-1', `1-${first}-1`]) await half(rest);
    await writeFile(join(directory, 'file.other'), '');
    await writePrivateFile(file, 'new');
    expect((await readdir(directory)).toSorted()).toEqual(['file', `file.1-${first}-1.tmp`, 'file.other']);
    await Promise.all([1, 2, 3].map((number) => writePrivateFile(file, `${number}`)));
    expect(await readdir(directory)).toHaveLength(3);
  });

  it('are rid of what a killed process has left when the next one begins, also without writing', async () => {
    const file = join(directory, 'own');
    expect(await readOwnFile(join(directory, 'none/own'))).toBeUndefined();
    await writePrivateFile(file, 'whole');
    await writeFile(`${file}.4194304-5-1.tmp`, 'ha');
    expect(await readOwnFile(file)).toBe('whole');
    expect((await readdir(directory)).filter((name) => name.startsWith('own'))).toEqual(['own']);
  });

  it('keeps a log and its place, until it is too large', async () => {
    const log = join(directory, 'log');
    await writeFile(log, 'line\n', { mode: 0o644 });
    expect(await preparePrivateLog(log)).toBe(5);
    expect(await modeOf(log)).toBe(0o600);
    await truncate(log, 9 * 1024 * 1024);
    expect(await preparePrivateLog(log)).toBe(0);
    expect((await stat(log)).size).toBe(0);
  });
});
