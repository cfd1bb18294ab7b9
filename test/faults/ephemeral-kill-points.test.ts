import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InlinePod } from '../lib/inline-pod.js';
import { INLINE, SMALL, inlineStore, memoryDirectory, tracesOf } from '../lib/inline-volumes.js';
import { KillableDriver } from '../lib/killable-driver.js';
import { removeLeftovers } from '../lib/leftovers.js';
import { availableBytes } from '../lib/open-driver.js';
import { directoryPool } from '../lib/pool-configs.js';
import { MiB } from '../lib/requests.js';
import { waitFor } from '../lib/wait.js';
import { FILE_TIMEOUT_MS } from '../runner/long.js';

describe('kill -9 between any two steps of an inline volume’s life', () => {
  let directory: string;
  let root: string;
  let killable: KillableDriver;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'inline-'));
    root = await memoryDirectory(directory);
    killable = await KillableDriver.start({ directory, pools: [{ ...directoryPool('p', root), ...INLINE }] });
  });

  afterAll(async () => {
    await killable?.stop();
    await removeLeftovers(directory);
  });

  it(
    'leaves nothing behind once the pod is gone, and no pod without its volume',
    async () => {
      let pod = new InlinePod(directory, () => killable);
      const available = await availableBytes(killable, 'p');
      const store = inlineStore(directory);
      const isGone = async (): Promise<true | undefined> => {
        const known = (await readdir(store).catch(() => [])).filter((name) => name.endsWith('.json'));
        if ((await tracesOf(root)).length + known.length === 0) return true;
        if (!killable.driver.isRunning) throw new Error('killed');
        return undefined;
      };
      const publish = async () => {
        // As if this had been tried before, and cut off in the middle of the node's note.
        await mkdir(store, { recursive: true });
        await writeFile(join(store, `.${pod.id}`), 'half');
        await pod.publishOnce(SMALL);
      };
      const unpublish = async () => {
        const { volumeId: volume_id, target: target_path } = pod;
        await killable.client.node.NodeUnpublishVolume({ volume_id, target_path });
        await waitFor('the volume to go', isGone);
      };
      await killable.killEverywhere({
        what: 'NodePublishVolume, inline, the first of a node',
        call: async () => {
          await killable.driver.kill();
          await rm(store, { recursive: true, force: true });
          await killable.startAgain();
          await pod.publishOnce(SMALL);
        },
        check: async () => {
          await pod.publish(SMALL);
          await pod.unpublish();
          await waitFor('the volume to go', isGone);
          pod = new InlinePod(directory, () => killable);
        },
        most: 1,
      });
      const published = await killable.killEverywhere({
        what: 'NodePublishVolume, inline',
        call: publish,
        check: async () => {
          await pod.publish(SMALL);
          await writeFile(join(pod.target, 'file'), 'x');
          await pod.unpublish();
          await waitFor('the volume to go', isGone);
          expect(Math.abs((await availableBytes(killable, 'p')) - available)).toBeLessThan(MiB);
          pod = new InlinePod(directory, () => killable);
        },
        most: 3,
      });
      await publish();
      const unpublished = await killable.killEverywhere({
        what: 'NodeUnpublishVolume, inline',
        call: unpublish,
        check: async () => {
          await pod.unpublish();
          await waitFor('the volume to go', isGone);
          expect(Math.abs((await availableBytes(killable, 'p')) - available)).toBeLessThan(MiB);
          pod = new InlinePod(directory, () => killable);
          await pod.publish(SMALL);
        },
        most: 3,
      });
      await pod.unpublish();
      await waitFor('the volume to go', isGone);
      console.log('kill -9 of an inline volume', { published, unpublished });
      expect(published.all).toBeGreaterThan(20);
      expect(unpublished.all).toBeGreaterThan(20);
    },
    FILE_TIMEOUT_MS,
  );
});
