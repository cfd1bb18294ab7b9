import * as v from 'valibot';
import { waitFor } from '../../lib/wait.js';
import type { Cluster } from '../cluster/cluster.js';
import { changeKayal, DRIVER } from '../cluster/install.js';
import { setCable } from '../cluster/network.js';
import { expectEqual, type Check } from '../lib/check.js';
import type { Kubectl } from '../lib/kubectl.js';
import { claim, pod } from '../lib/objects.js';

const OUT_OF_SERVICE = 'node.kubernetes.io/out-of-service';

/** Where the controller runs: whoever takes the volume away must not be on the node that is lost. */
const KEPT = 'node2';
/**
 * With different kubelet directories, and ext4 on the volume: the nodes share one kernel, which tells loop devices by the
 * paths of their files, and mounts no XFS twice.
 */
const [LOST, OTHER] = ['node1', 'node3'];

/** As docs/attach.md says: a CSIDriver object cannot be changed. */
async function setAttach(cluster: Cluster, attach: boolean): Promise<void> {
  await cluster.kubectl.delete(`csidriver/${DRIVER}`);
  await changeKayal(cluster, attach ? { attach, controllerOn: KEPT } : {});
}

const attachmentSchema = v.looseObject({
  spec: v.looseObject({
    attacher: v.string(),
    nodeName: v.string(),
    source: v.looseObject({ persistentVolumeName: v.optional(v.string(), '') }),
  }),
  status: v.optional(v.looseObject({ attached: v.boolean() })),
});

/** @returns the nodes that a claim's volume is attached to */
async function attachedTo(kubectl: Kubectl, name: string): Promise<string> {
  const volume = await kubectl.do(['get', `pvc/${name}`, '--output=jsonpath={.spec.volumeName}']);
  const all = await kubectl.list(attachmentSchema, 'volumeattachments');
  const own = all.filter(
    ({ spec, status }) => spec.source.persistentVolumeName === volume && status?.attached === true,
  );
  return own
    .map(({ spec }) => spec.nodeName)
    .sort()
    .join();
}

async function waitForAttached(kubectl: Kubectl, name: string, nodes: string): Promise<void> {
  const ask = async (): Promise<true | undefined> => ((await attachedTo(kubectl, name)) === nodes ? true : undefined);
  await waitFor(`${name} to be attached to ${nodes}`, ask, { timeoutMs: 180_000, intervalMs: 1_000 });
}

/** Cuts the node off, and lets Kubernetes know that it is not coming back, for the time of `use`. */
async function withLostNode(cluster: Cluster, node: string, use: () => Promise<void>): Promise<void> {
  const { place } = cluster.worker(node).machine;
  const { kubectl } = cluster;
  await setCable(place, 'down');
  try {
    await kubectl.wait(`node/${node}`, 'condition=Ready=Unknown', 120_000);
    await kubectl.do(['taint', 'node', node, `${OUT_OF_SERVICE}=nodeshutdown:NoExecute`]);
    await use();
  } finally {
    await setCable(place, 'up');
    await kubectl.wait(`node/${node}`, 'condition=Ready', 180_000);
    await kubectl.run(['taint', 'node', node, `${OUT_OF_SERVICE}-`]);
  }
}

async function takenOver(cluster: Cluster, kubectl: Kubectl): Promise<void> {
  const shared = [LOST, KEPT].map((node) => pod({ name: `shared-${node}`, claim: 'shared', node }));
  await kubectl.apply(
    claim({ name: 'shared' }),
    ...shared,
    claim({ name: 'data', mode: 'ReadWriteOnce', storageClass: 'kayal-ext4' }),
    pod({ name: 'first', claim: 'data', node: LOST }),
  );
  for (const { metadata } of shared) await kubectl.wait(`pod/${metadata.name}`, 'condition=Ready');
  await waitForAttached(kubectl, 'shared', `${LOST},${KEPT}`);
  await kubectl.wait('pod/first', 'condition=Ready');
  await kubectl.mustSh('first', 'echo hello > /data/file && sync');
  await waitForAttached(kubectl, 'data', LOST);

  const second = pod({ name: 'second', claim: 'data', node: OTHER });
  await kubectl.apply(second);
  await waitFor(
    'the event of a pod whose volume is attached elsewhere',
    async () => {
      const own = (await kubectl.events()).filter(({ involvedObject }) => involvedObject.name === 'second');
      return own.some(({ reason, message }) => reason === 'FailedAttachVolume' && message.includes('Multi-Attach'))
        ? true
        : undefined;
    },
    { timeoutMs: 120_000, intervalMs: 1_000 },
  );
  await withLostNode(cluster, LOST, async () => {
    // The pod has been waiting for the volume; Kubernetes asks again at intervals that grow, so a new one asks at once.
    await kubectl.wait('pod/first', 'delete');
    await kubectl.delete('pod/second');
    await kubectl.apply(second);
    await kubectl.wait('pod/second', 'condition=Ready', 300_000);
    expectEqual(await kubectl.mustSh('second', 'cat /data/file'), 'hello', 'what was read on the other node');
    await kubectl.mustSh('second', 'echo more >> /data/file && sync');
  });
  await waitForAttached(kubectl, 'data', OTHER);
  const volume = await kubectl.do(['get', 'pvc/data', '--output=jsonpath={.spec.volumeName}']);
  await waitFor(
    'the node that is back to unmount the volume',
    async () => {
      const mounts = await cluster.worker(LOST).volumeMounts();
      return mounts.some((target) => target.includes(volume)) ? undefined : true;
    },
    { timeoutMs: 180_000, intervalMs: 1_000 },
  );
  expectEqual(await kubectl.mustSh('second', 'cat /data/file'), 'hello\nmore', 'what is there after all');
}

const attach: Check = {
  name: 'with attachRequired, a ReadWriteOnce volume is on one node, and leaves a lost one by the out-of-service taint',
  isAlone: true,
  run: async ({ cluster, kubectl }) => {
    await setAttach(cluster, true);
    try {
      await takenOver(cluster, kubectl);
    } finally {
      // Who detaches them goes with the next upgrade.
      await kubectl.delete('pods', '--all');
      await waitFor(
        'the volumes to be detached',
        async () => ((await kubectl.list(attachmentSchema, 'volumeattachments')).length === 0 ? true : undefined),
        { timeoutMs: 180_000, intervalMs: 1_000 },
      );
      await setAttach(cluster, false);
    }
  },
};

export const attachChecks: readonly Check[] = [attach];
