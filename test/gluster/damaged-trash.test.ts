import { mkdir, mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startOpen } from '../lib/open-driver.js';
import { directoryPool } from '../lib/pool-configs.js';
import { createRequest, retried } from '../lib/requests.js';
import { waitFor } from '../lib/wait.js';

it('what cannot be read in the trash keeps no pool closed, and is purged', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'dt-'));
  const root = join(directory, 'pool');
  const entry = join(root, '.kayal/trash/gone-20260101000000000');
  await mkdir(root);
  const options = { directory, role: 'controller', pools: [directoryPool('dir', root)] } as const;
  await (await startOpen(options)).stop();
  await mkdir(join(entry, 'data'), { recursive: true });
  // Reading it fails: it is larger than any record.
  await writeFile(join(entry, 'record.json'), Buffer.alloc(128 * 1024, ' '));

  const driver = await startOpen(options);
  try {
    await retried(() => driver.client.controller.CreateVolume(createRequest('v')));
    await waitFor('the trash to be purged', async () =>
      (await readdir(join(root, '.kayal/trash'))).length === 0 ? true : undefined,
    );
    expect(await readdir(join(root, '.kayal/volumes'))).toHaveLength(1);
  } finally {
    await driver.stop();
  }
});
