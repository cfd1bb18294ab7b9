import * as v from 'valibot';
import { sleep, waitFor } from '../../lib/wait.js';
import { setCable } from '../cluster/network.js';
import { NAMESPACE, rolloutStatus, upgradeKayal } from '../cluster/install.js';
import { expectEqual, expectThat, NotYet, type Check } from '../lib/check.js';
import type { Kubectl } from '../lib/kubectl.js';
import { claim, pod } from '../lib/objects.js';

/**
 * Appends a number to its file about four times a second, on stable storage before it says so in /tmp/written; what fails
 * is in /tmp/errors.
 */
const WRITER = `
trap 'exit 0' TERM
n=0
while :; do
  n=$((n + 1))
  if echo $n | dd of=/data/$HOSTNAME oflag=append conv=notrunc,fsync 2> /tmp/last; then
    echo $n >> /tmp/written
  else
    cat /tmp/last >> /tmp/errors
  fi
  sleep 0.2
done
`;

function writer(node: string): ReturnType<typeof pod> {
  return pod({ name: `on-${node}`, claim: 'data', node, script: WRITER });
}

async function startWriters(kubectl: Kubectl, nodes: readonly string[]): Promise<void> {
  await kubectl.apply(claim({ name: 'data' }), ...nodes.map((node) => writer(node)));
  for (const node of nodes) await kubectl.wait(`pod/on-${node}`, 'condition=Ready');
}

async function written(kubectl: Kubectl, node: string): Promise<number> {
  return Number((await kubectl.mustSh(`on-${node}`, 'tail -n 1 /tmp/written || echo 0')) || '0');
}

/** @throws Error when the writer does not go on within a minute */
async function expectProgress(kubectl: Kubectl, node: string): Promise<void> {
  const before = await written(kubectl, node);
  await waitFor(
    `the writer on ${node} to go on`,
    async () => ((await written(kubectl, node)) > before + 3 ? true : undefined),
    { timeoutMs: 60_000, intervalMs: 500 },
  );
}

async function expectNoErrors(kubectl: Kubectl, node: string): Promise<void> {
  expectEqual(await kubectl.mustSh(`on-${node}`, 'cat /tmp/errors 2> /dev/null || true'), '', `what failed on ${node}`);
}

const podSchema = v.looseObject({
  status: v.looseObject({ containerStatuses: v.array(v.looseObject({ restartCount: v.number() })) }),
});

async function expectNoRestart(kubectl: Kubectl, node: string): Promise<void> {
  const { status } = await kubectl.get(podSchema, `pod/on-${node}`);
  expectEqual(status.containerStatuses[0]?.restartCount, 0, `the number of restarts of the writer on ${node}`);
}

const cutOff: Check = {
  name: 'a node is cut off the network under a writer: nothing written is lost, and it goes on when the node is back',
  isAlone: true,
  run: async ({ cluster, kubectl }) => {
    await startWriters(kubectl, ['node1', 'node2']);
    const { place } = cluster.worker('node2').machine;
    await setCable(place, 'down');
    try {
      await kubectl.wait('node/node2', 'condition=Ready=Unknown', 120_000);
      await expectProgress(kubectl, 'node1');
    } finally {
      await setCable(place, 'up');
    }
    await kubectl.wait('node/node2', 'condition=Ready', 120_000);
    await expectProgress(kubectl, 'node2');
    await expectNoErrors(kubectl, 'node1');
    await expectNoRestart(kubectl, 'node2');
    const claimed = await kubectl.mustSh('on-node2', 'cp /tmp/written /data/claimed && sync && wc -l < /data/claimed');
    const missing =
      'sort -u /data/on-node2 > /tmp/a && sort -u /data/claimed | while read n; do grep -qx $n /tmp/a || echo $n; done';
    expectEqual(await kubectl.mustSh('on-node1', missing), '', `what is missing of ${claimed} lines`);
  },
};

const kubeletRestarted: Check = {
  name: "a node's kubelet is restarted: its pods write on, and new ones start there",
  isAlone: true,
  run: async ({ cluster, kubectl }) => {
    await startWriters(kubectl, ['node3']);
    await cluster.worker('node3').restartKubelet(() => sleep(5_000));
    await kubectl.wait('node/node3', 'condition=Ready', 120_000);
    await kubectl.apply(claim({ name: 'new' }), pod({ name: 'new', claim: 'new', node: 'node3' }));
    await kubectl.wait('pod/new', 'condition=Ready');
    await kubectl.mustSh('new', 'echo hello > /data/file');
    await expectProgress(kubectl, 'node3');
    await expectNoErrors(kubectl, 'node3');
    await expectNoRestart(kubectl, 'node3');
    await kubectl.delete('pod/new', 'pod/on-node3');
    const mounts = await cluster.worker('node3').volumeMounts();
    expectThat(!mounts.some((target) => target.includes('/pods/')), `still mounted on node3: ${mounts.join(' ')}`);
  },
};

const daemonSetSchema = v.looseObject({
  spec: v.looseObject({ updateStrategy: v.looseObject({ type: v.string() }) }),
});

const NODE_PODS = 'app.kubernetes.io/component=node';

const upgraded: Check = {
  name: 'helm upgrade replaces the roles while pods write: writers on other nodes see no error',
  isAlone: true,
  run: async ({ cluster, kubectl, namespace }) => {
    const nodes = ['node1', 'node2', 'node3'];
    await startWriters(kubectl, nodes);
    await upgradeKayal(cluster, namespace);
    const system = cluster.kubectl.in(NAMESPACE);
    const { spec } = await system.get(daemonSetSchema, 'daemonset/kayal-node');
    if (spec.updateStrategy.type === 'RollingUpdate') {
      for (const name of ['kayal-node', 'kayal-node-other']) await rolloutStatus(system, `daemonset/${name}`);
    } else {
      // docs/install.md: a node is drained before its pod of Kayal is replaced.
      await kubectl.delete('pod/on-node2');
      const selector = [`--selector=${NODE_PODS}`, '--field-selector=spec.nodeName=node2'];
      await system.do(['delete', 'pod', ...selector]);
      await waitFor(
        'the new pod of Kayal on node2',
        async () => ((await system.do(['get', 'pod', ...selector, '--output=name'])) === '' ? undefined : true),
        { intervalMs: 500 },
      );
      await system.do(['wait', 'pod', ...selector, '--for=condition=Ready', '--timeout=120s'], { timeoutMs: 130_000 });
      await kubectl.apply(writer('node2'));
      await kubectl.wait('pod/on-node2', 'condition=Ready');
    }
    for (const name of nodes) {
      await expectProgress(kubectl, name);
      await expectNoErrors(kubectl, name);
      await expectNoRestart(kubectl, name);
    }
  },
};

const roleKilled: Check = {
  name: 'the pod of the node role is killed: writers on that node see no error',
  isAlone: true,
  run: async ({ cluster, kubectl }) => {
    const system = cluster.kubectl.in(NAMESPACE);
    const { stdout } = await system.run(['get', 'daemonset/kayal-mounter', '--ignore-not-found', '--output=name']);
    if (stdout.trim() === '') throw new NotYet('GlusterFS clients have no container of their own');
    await startWriters(kubectl, ['node1']);
    const selector = [`--selector=${NODE_PODS}`, '--field-selector=spec.nodeName=node1'];
    await system.do(['delete', 'pod', ...selector, '--grace-period=0', '--force']);
    await expectProgress(kubectl, 'node1');
    await rolloutStatus(system, 'daemonset/kayal-node');
    await kubectl.apply(claim({ name: 'new' }), pod({ name: 'new', claim: 'new', node: 'node1' }));
    await kubectl.wait('pod/new', 'condition=Ready');
    await expectProgress(kubectl, 'node1');
    await expectNoErrors(kubectl, 'node1');
    await expectNoRestart(kubectl, 'node1');
  },
};

export const faultChecks: readonly Check[] = [cutOff, kubeletRestarted, roleKilled, upgraded];
