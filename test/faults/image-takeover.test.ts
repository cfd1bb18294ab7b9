import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, readdir, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { IoWorkers } from '../../src/linux/io-workers.js';
import { Tree } from '../../src/linux/tree.js';
import { acquireImage, currentImage, releaseImage } from '../../src/volumes/leases/image-lease.js';
import { bucketOf } from '../../src/volumes/records/handle.js';
import { recordPath } from '../../src/volumes/records/layout.js';
import { isServiceError } from '../lib/csi-client.js';
import { KillableDriver } from '../lib/killable-driver.js';
import { loopDirectory } from '../lib/loop-directory.js';
import { collectingLogger } from '../lib/managed-pool.js';
import { directoryPool } from '../lib/pool-configs.js';
import { MiB, retried } from '../lib/requests.js';
import { VolumeUser, block } from '../lib/volume-user.js';
import { waitFor } from '../lib/wait.js';
import { FILE_TIMEOUT_MS } from '../runner/long.js';

const capability = block();

/** A takeover may take longer than one call; a controller that died answers nothing, and is not asked again. */
async function untilDone(call: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await call();
      return;
    } catch (error) {
      if (!isServiceError(error) || error.code !== status.ABORTED) throw error;
    }
  }
}

/** The controller dies at every step of a takeover. */
describe('a takeover', { timeout: FILE_TIMEOUT_MS }, () => {
  it('ends with one image, the old or the new one, wherever the controller is killed', async () => {
    const directory = await mkdtemp(join(tmpdir(), 't-'));
    const base = await loopDirectory(directory, 'main', 400, 'xfs');
    const io = new IoWorkers({ log: collectingLogger() });
    const options = { directory, pools: [directoryPool('main', base.path)], env: { KAYAL_ATTACH: 'yes' } };
    const driver = await KillableDriver.start(options);
    const tree = await Tree.open(io, 'test', base.path);
    try {
      const user = new VolumeUser(directory, () => driver.driver);
      const handle = await user.create('v', { sizeMiB: 1, capability });
      const record = { id: 'v', pool: 'main', path: `volumes/${bucketOf('v')}/v` };
      const holder = { node: 'lost', machineId: 'another', bootId: 'boot' };
      const content = randomBytes(MiB);
      await writeFile(join(base.path, record.path, 'image.1'), content);
      let epoch = 1;
      const hold = async (): Promise<void> => {
        expect(await acquireImage(tree, record, holder)).toMatchObject({ epoch });
      };
      const takeAway = async (): Promise<void> => {
        const { controller } = driver.client;
        // The end of the takeover before may hold the volume for a moment.
        await untilDone(() => controller.ControllerUnpublishVolume({ volume_id: handle, node_id: 'lost' }));
        const request = { volume_id: handle, node_id: 'node-1', volume_capability: capability };
        await untilDone(() => controller.ControllerPublishVolume(request));
      };
      const isRevoked = async (): Promise<boolean> =>
        /"takeover": ?true/.test(await readFile(join(base.path, recordPath('v')), 'utf8'));
      /** Of the image, and what is half done in the fence of the controller. */
      const leftLeases = async (): Promise<string[]> => {
        const leases = join(base.path, '.kayal/leases');
        const fence = (await readdir(leases)).find((name) => /^controller\.\d+$/.test(name)) ?? '';
        const halfDone = (await readdir(join(leases, fence))).filter((name) => name !== 'tmp-lease');
        return [...halfDone, ...(await readdir(join(leases, 'images', bucketOf('v'))))];
      };
      await hold();
      const { visited, all } = await driver.killEverywhere({
        what: 'takeover of an image',
        call: takeAway,
        most: 4,
        check: async () => {
          const names = await readdir(join(base.path, record.path));
          const kept = names.filter((name) => name.startsWith('image.')).sort();
          expect(kept.length).toBeGreaterThan(0);
          expect((await readFile(join(base.path, record.path, kept.at(-1) ?? ''))).equals(content)).toBe(true);
          await retried(takeAway);
          epoch++;
          // The image of the next epoch is the volume from the moment it is there; what was before goes in the background.
          await waitFor('the former image to go', async () =>
            (await readdir(join(base.path, record.path))).length === 1 ? true : undefined,
          );
          expect(await readdir(join(base.path, record.path))).toEqual([`image.${epoch}`]);
          expect((await readFile(join(base.path, record.path, `image.${epoch}`))).equals(content)).toBe(true);
          expect(await currentImage(tree, record)).toMatchObject({ epoch, holder: undefined, takeover: false });
          await waitFor('its leases to go', async () => ((await leftLeases()).length === 0 ? true : undefined));
          const everywhere = { volume_id: handle, node_id: '' };
          await retried(() => driver.client.controller.ControllerUnpublishVolume(everywhere));
          // No node would get the image before the takeover is off the record; the one that is played here would.
          await waitFor('the end of the takeover', async () => ((await isRevoked()) ? undefined : true));
          await hold();
        },
      });
      console.log(`takeover: kill -9 at ${visited} of ${all} points`);
      expect(all).toBeGreaterThan(20);
      expect(visited).toBeGreaterThan(1);
      const lost = join(base.path, '.kayal/lost');
      // A controller that lives may be removing one of them, and a directory that it has emptied is young again.
      await driver.driver.kill();
      const kept = await readdir(lost);
      // On a busy machine the first ones were there long enough.
      expect(kept.length).toBeGreaterThan(0);
      // As if they had been put there some minutes ago; the next start looks.
      for (const name of kept) await utimes(join(lost, name), 0, 0);
      await driver.restart();
      await waitFor('the images that were taken away to be removed', async () =>
        (await readdir(lost)).length === 0 ? true : undefined,
      );
      await releaseImage(tree, record.id, holder);
      await user.remove(handle);
    } finally {
      await tree.close();
      await io.close();
      await driver.stop();
      await base.remove();
    }
  });
});
