import { waitFor } from '../../lib/wait.js';
import type { Cluster } from '../cluster/cluster.js';
import { changeKayal, LOCAL_PATH } from '../cluster/install.js';
import { expectEqual, expectIncludes, type Check } from '../lib/check.js';
import type { Kubectl } from '../lib/kubectl.js';
import { claim, pod } from '../lib/objects.js';
import { controllerPod } from '../lib/roles.js';

const NODE = 'node2';

async function follows(cluster: Cluster, kubectl: Kubectl): Promise<void> {
  expectEqual((await controllerPod(cluster)).node, NODE, 'the node of the controller');
  const storageClass = 'kayal-local';
  // The scheduler may take any node for this one, and none for the other.
  await kubectl.apply(claim({ name: 'data', storageClass }), pod({ name: 'anywhere', claim: 'data' }));
  await kubectl.apply(
    claim({ name: 'other', storageClass }),
    pod({ name: 'elsewhere', claim: 'other', node: 'node1' }),
  );
  await kubectl.wait('pod/anywhere', 'condition=Ready');
  expectEqual(await kubectl.do(['get', 'pod/anywhere', '--output=jsonpath={.spec.nodeName}']), NODE, 'its node');
  await kubectl.mustSh('anywhere', 'echo hello > /data/file');
  const volume = await kubectl.do(['get', 'pvc/data', '--output=jsonpath={.spec.volumeName}']);
  const affinity = await kubectl.do(['get', `pv/${volume}`, '--output=jsonpath={.spec.nodeAffinity}']);
  expectIncludes(affinity, 'topology.csi.kayal.storage/node', "the volume's nodeAffinity");
  const found = await cluster.worker(NODE).machine.mustRun(['find', LOCAL_PATH, '-name', 'file', '-type', 'f']);
  expectIncludes(found, volume, 'the file in the directory');
  await waitFor(
    'the event of the pod that cannot be scheduled',
    async () => {
      const own = (await kubectl.events()).filter(({ involvedObject }) => involvedObject.name === 'elsewhere');
      return own.some(({ reason, message }) => reason === 'FailedScheduling' && message.includes('free storage'))
        ? true
        : undefined;
    },
    { timeoutMs: 120_000, intervalMs: 1_000 },
  );
}

const local: Check = {
  name: 'a pool that is a directory of one node: the pod of a claim goes there, as does the controller',
  isAlone: true,
  run: async ({ cluster, kubectl }) => {
    await cluster.worker(NODE).machine.mustRun(['mkdir', '-p', LOCAL_PATH]);
    await changeKayal(cluster, { localPoolOn: NODE });
    try {
      await follows(cluster, kubectl);
    } finally {
      // While its pool is there: a volume is deleted by whoever has it.
      await kubectl.delete('pods,pvc', '--all');
      const volumes = [
        'get',
        'pv',
        '--output=jsonpath={.items[?(@.spec.storageClassName=="kayal-local")].metadata.name}',
      ];
      await waitFor('the volumes to go', async () => ((await kubectl.do(volumes)) === '' ? true : undefined), {
        timeoutMs: 120_000,
        intervalMs: 1_000,
      });
      await changeKayal(cluster, {});
    }
  },
};

export const topologyChecks: readonly Check[] = [local];
