import { mkdir, mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KillableDriver } from '../lib/killable-driver.js';
import { loopDirectory, type LoopDirectory } from '../lib/loop-directory.js';
import { availableBytes } from '../lib/open-driver.js';
import { dfBytes } from '../lib/published-volume.js';
import { MiB, SHARED, retried } from '../lib/requests.js';
import { FILE_TIMEOUT_MS } from '../runner/long.js';

const SIZE = 8 * MiB;

/** A node asks for the import of an existing directory, the controller does it; both are one process here, and die. */
describe('kill -9 between any two steps of an import', () => {
  let directory: string;
  let disk: LoopDirectory;
  let root: string;
  let killable: KillableDriver;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'imp-'));
    // What others write meanwhile must not count.
    disk = await loopDirectory(directory, 'disk', 128);
    killable = await KillableDriver.start({
      directory,
      pools: [{ name: 'main', type: 'managed', replica: 1, bricks: [join(disk.path, 'brick')], quota: 'gluster' }],
    });
    root = join(directory, 'state', 'control', 'main', 'mnt');
    await mkdir(join(root, 'legacy'));
    await writeFile(join(root, 'legacy', 'file'), 'legacy');
    await mkdir(join(directory, 'staging'));
  });

  afterAll(async () => {
    await killable?.stop();
    await disk?.remove();
  });

  it(
    'ends with the limit that was asked for, counted once, and takes nothing away',
    async () => {
      const available = await availableBytes(killable, 'main');
      const request = {
        volume_id: 'main/legacy',
        staging_target_path: join(directory, 'staging'),
        target_path: join(directory, 'target'),
        volume_capability: SHARED,
        volume_context: { pool: 'main', path: 'legacy', size: String(SIZE) },
      };
      const publish = () => retried(() => killable.client.node.NodePublishVolume(request));
      const { visited, all } = await killable.killEverywhere({
        what: 'import of a directory',
        // Until it is killed: the request is answered in the background.
        call: () => killable.untilKilled(() => killable.client.node.NodePublishVolume(request)),
        check: async () => {
          await publish();
          expect(await dfBytes(request.target_path)).toBe(SIZE);
          expect(await readdir(request.target_path)).toEqual(['file']);
          expect(Math.abs(available - (await availableBytes(killable, 'main')) - SIZE)).toBeLessThan(MiB);
          await retried(() => killable.client.node.NodeUnpublishVolume(request));
          await retried(() => killable.client.controller.DeleteVolume({ volume_id: request.volume_id }));
          expect(await readdir(join(root, 'legacy'))).toEqual(['file']);
          expect(Math.abs(available - (await availableBytes(killable, 'main')))).toBeLessThan(MiB);
        },
        most: 3,
      });
      const remove = () => killable.client.controller.DeleteVolume({ volume_id: request.volume_id });
      await publish();
      await retried(() => killable.client.node.NodeUnpublishVolume(request));
      const removed = await killable.killEverywhere({
        what: 'DeleteVolume, imported',
        call: () => killable.untilKilled(remove),
        check: async () => {
          await retried(remove);
          expect(await readdir(join(root, 'legacy'))).toEqual(['file']);
          await publish();
          await retried(() => killable.client.node.NodeUnpublishVolume(request));
        },
        most: 2,
      });
      await retried(remove);
      console.log(`kill -9 at ${visited} of ${all} points of an import, ${removed.visited} of its end`);
      expect(visited).toBeGreaterThan(1);
    },
    FILE_TIMEOUT_MS,
  );
});
