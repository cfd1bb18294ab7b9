import { rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MiB } from '../../src/base/units.js';
import { SimpleMechanism } from '../../src/quota/simple.js';
import { readUsage } from '../../src/quota/usage.js';
import { measureOvershoot } from '../helpers/overshoot.js';
import { QuotaBench } from '../helpers/quota-bench.js';
import { runCommand } from '../lib/run-command.js';
import { waitFor } from '../lib/wait.js';

const LIMIT = 20n * MiB;
/** What the client sends at a time; the brick refuses a write that does not fit as a whole. */
const ONE_WRITE = 128n * 1024n;

describe.each([1, 3] as const)('simple quota on replica %d', (replica) => {
  let bench: QuotaBench;
  let mechanism: SimpleMechanism;

  beforeAll(async () => {
    bench = await QuotaBench.start({ quota: 'simple', replica });
    mechanism = new SimpleMechanism({ tree: bench.control });
    await mechanism.probe();
  });
  afterAll(async () => {
    await bench?.stop();
  });

  const usedBytes = async (path: string): Promise<bigint | undefined> =>
    (await readUsage({ tree: bench.client, target: { path }, mechanism: 'simple', local: false }))?.used;

  it.each([1, 4])('stops %d writers at the limit, and forgets what is deleted', async (writers) => {
    const { path, directory } = await bench.addVolume(mechanism, LIMIT);
    expect(await mechanism.get({ path })).toBe(LIMIT);
    const { overshootBytes } = await measureOvershoot({ directory, limitBytes: LIMIT, writers });
    expect(overshootBytes).toBeGreaterThanOrEqual(-ONE_WRITE * BigInt(writers));
    expect(overshootBytes).toBeLessThanOrEqual(ONE_WRITE * BigInt(writers));
    await waitFor('the space to be free again', async () =>
      ((await usedBytes(path)) ?? LIMIT) < ONE_WRITE ? true : undefined,
    );
  });

  it('holds as much as was promised in one file', async () => {
    const { directory } = await bench.addVolume(mechanism, LIMIT);
    await writeFile(join(directory, 'file'), Buffer.alloc(Number(LIMIT)));
    expect((await stat(join(directory, 'file'))).size).toBe(Number(LIMIT));
  });

  it('raises the limit of a volume with content', async () => {
    const { path, directory } = await bench.addVolume(mechanism, LIMIT);
    await writeFile(join(directory, 'file'), Buffer.alloc(Number(18n * MiB)));
    await mechanism.set({ path }, 2n * LIMIT);
    expect(await mechanism.get({ path })).toBe(2n * LIMIT);
    await writeFile(join(directory, 'more'), Buffer.alloc(Number(18n * MiB)));
  });

  it('can be switched off by an unprivileged pod: documented', async () => {
    const { directory } = await bench.addVolume(mechanism, LIMIT);
    const user = ['--reuid=1000', '--regid=1000', '--clear-groups'];
    const off = ['setfattr', '-n', 'glusterfs.quota.disable-check', '-v'];
    // From inside, as a pod is: the way to the volume is closed to other users.
    const switched = await runCommand('setpriv', [...user, ...off, '1', '.'], { cwd: directory });
    expect(switched).toMatchObject({ code: 0, stderr: '' });
    await writeFile(join(directory, 'file'), Buffer.alloc(Number(2n * LIMIT)));
    await runCommand('setpriv', [...user, ...off, '0', '.'], { cwd: directory });
    await rm(join(directory, 'file'));
  });
});
