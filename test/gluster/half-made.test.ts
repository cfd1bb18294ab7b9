import { mkdir, mkdtemp, readdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { removeHalfMade } from '../../src/gluster/half-made.js';
import { IoWorkers } from '../../src/linux/io-workers.js';
import { collectingLogger } from '../lib/managed-pool.js';
import { mustRun } from '../lib/run-command.js';

const ID = '0a1b2c3d-1111-4222-8333-444455556666';
const HANDLE = `.glusterfs/0a/1b/${ID}`;

it('removes what a brick has made and given no id, and nothing else', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'half-'));
  const [complete, killed] = [join(directory, 'complete'), join(directory, 'killed')];
  for (const brick of [complete, killed]) {
    await mkdir(join(brick, 'volumes/aa/v/kept'), { recursive: true });
    await mkdir(join(brick, 'volumes/bb'));
    await mkdir(dirname(join(brick, HANDLE)), { recursive: true });
    await symlink('../../../volumes/aa/v', join(brick, HANDLE));
  }
  await mkdir(join(complete, '.glusterfs/indices/xattrop'), { recursive: true });
  const volume = join(killed, 'volumes/aa/v');
  await writeFile(join(volume, 'with-content'), 'x');
  for (const name of ['half', 'made', 'young', '../../bb/elsewhere']) await writeFile(join(volume, name), '');
  await mkdir(join(volume, 'half-directory'));
  for (const name of ['kept', 'made'])
    await mustRun('setfattr', ['-n', 'trusted.gfid', '-v', `0x${ID.replaceAll('-', '')}`, join(volume, name)]);
  const now = Date.now();
  const older = (now - 60_000) / 1000;
  for (const name of await readdir(volume)) if (name !== 'young') await utimes(join(volume, name), older, older);
  await utimes(join(killed, 'volumes/bb/elsewhere'), older, older);

  const io = new IoWorkers({ log: collectingLogger() });
  try {
    const options = { io, key: 'bricks', bricks: [complete, killed], now };
    expect(await removeHalfMade(options)).toEqual([]);
    // What it waits to heal: a directory, something that is gone, and what every index has.
    for (const name of [ID, 'ffffffff-1111-4222-8333-444455556666', `xattrop-${ID}`])
      await writeFile(join(complete, '.glusterfs/indices/xattrop', name), '');
    const removed = await removeHalfMade(options);
    expect(removed.toSorted()).toEqual([join(volume, 'half'), join(volume, 'half-directory')]);
    expect((await readdir(volume)).toSorted()).toEqual(['kept', 'made', 'with-content', 'young']);
    expect(await readdir(join(killed, 'volumes/bb'))).toEqual(['elsewhere']);
    // Just made.
    expect(await readdir(join(complete, 'volumes/aa/v'))).toEqual(['kept']);
  } finally {
    await io.close();
  }
});
