import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { poolText } from '../operator/pool-config.js';
import { FACTS, poolOf, REPLICA_3 } from '../operator/test-pools.js';
import { readBrickFile } from './brick-file.js';

let directory: string;
const file = (): string => join(directory, 'pool.yaml');

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'brick-file-'));
});

afterEach(() => rm(directory, { recursive: true }));

describe('what a brick is told', () => {
  it('is what the operator writes: the pool, and the bricks that are new', async () => {
    await writeFile(file(), poolText(poolOf(REPLICA_3), FACTS));
    const old = await readBrickFile(file());
    expect(old.config).toMatchObject({ name: 'fast', remote: FACTS });
    expect(old.make).toEqual(new Set());
    await writeFile(join(directory, 'make'), '0,2\n');
    expect((await readBrickFile(file())).make).toEqual(new Set([0, 2]));
    await writeFile(join(directory, 'make'), '');
    expect((await readBrickFile(file())).make).toEqual(new Set());
  });

  it('is refused where it is something else', async () => {
    await expect(readBrickFile(file())).rejects.toThrow(/pool\.yaml cannot be read/);
    await writeFile(file(), '{name: a, type: managed, replica: 1, bricks: [/b]}');
    await expect(readBrickFile(file())).rejects.toThrow(/must hold a pool of type managed with the key remote/);
    await writeFile(file(), poolText(poolOf(REPLICA_3), FACTS));
    await writeFile(join(directory, 'make'), 'all');
    await expect(readBrickFile(file())).rejects.toThrow(/must hold numbers of bricks/);
  });
});
