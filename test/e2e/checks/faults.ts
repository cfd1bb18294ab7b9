import { sleep, waitFor } from '../../lib/wait.js';
import { GLUSTER_VOLUME } from '../cluster/gluster-server.js';
import { NAMESPACE, NODE_ROLES, rolloutStatus, upgradeKayal } from '../cluster/install.js';
import { setCable } from '../cluster/network.js';
import { expectEqual, expectThat, type Check } from '../lib/check.js';
import { claim, pod } from '../lib/objects.js';
import { nodeRoleOn } from '../lib/roles.js';
import {
  expectNoErrors,
  expectNoRestart,
  expectNothingLost,
  expectProgress,
  longestPause,
  startWriters,
  uptime,
} from '../lib/writers.js';

const cutOff: Check = {
  name: 'a node is cut off the network under a writer: nothing written is lost, it goes on when the node is back, and other nodes never notice',
  isAlone: true,
  run: async ({ cluster, kubectl }) => {
    await startWriters(kubectl, ['node1', 'node2']);
    const { place } = cluster.worker('node2').machine;
    const cut = await uptime();
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
    for (const node of ['node1', 'node2']) await expectNoRestart(kubectl, node);
    await expectNothingLost(kubectl, 'node2', 'node1');
    const pauses = [await longestPause(kubectl, 'node1', cut), await longestPause(kubectl, 'node2', cut)] as const;
    process.stdout.write(`               longest pause: ${pauses[0]} s, on the node that was cut off ${pauses[1]} s\n`);
    expectThat(pauses[0] < pauses[1] / 2, `the writer on the other node waited ${pauses[0]} of ${pauses[1]} s, too`);
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

const upgraded: Check = {
  name: 'helm upgrade replaces controller and node roles while pods write: no writer on any node sees an error',
  isAlone: true,
  run: async ({ cluster, kubectl, namespace }) => {
    const nodes = cluster.workers.map(({ name }) => name);
    await startWriters(kubectl, nodes);
    const roles = (): Promise<readonly string[]> =>
      Promise.all(nodes.map(async (node) => (await nodeRoleOn(cluster, node)).name));
    const before = await roles();
    await upgradeKayal(cluster, { podAnnotations: { 'e2e.kayal.storage/upgrade': namespace } });
    for (const role of NODE_ROLES) await rolloutStatus(cluster.kubectl.in(NAMESPACE), role);
    const same = (await roles()).filter((name) => before.includes(name));
    expectEqual(same.join(), '', 'the pods of the node role that were not replaced');
    for (const name of nodes) {
      await expectProgress(kubectl, name);
      await expectNoErrors(kubectl, name);
      await expectNoRestart(kubectl, name);
    }
  },
};

const roleKilled: Check = {
  name: 'the node role is killed (kill -9), then its whole pod: writers on that node see no error',
  isAlone: true,
  run: async ({ cluster, kubectl }) => {
    await startWriters(kubectl, ['node1']);
    const { machine } = cluster.worker('node1');
    const before = await nodeRoleOn(cluster, 'node1');
    const [pid] = await cluster.worker('node1').pidsOf('^node .*/kayal node ');
    if (pid === undefined) throw new Error('there is no process of the node role on node1');
    await machine.mustRun(['kill', '-9', pid]);
    await expectProgress(kubectl, 'node1');
    const restarted = await waitFor(
      'the node role to be started again',
      async () => {
        const role = await nodeRoleOn(cluster, 'node1');
        return role.restarts > before.restarts && role.isReady ? role : undefined;
      },
      { timeoutMs: 180_000, intervalMs: 1_000 },
    );
    const system = cluster.kubectl.in(NAMESPACE);
    await system.do(['delete', `pod/${restarted.name}`, '--grace-period=0', '--force']);
    await expectProgress(kubectl, 'node1');
    await rolloutStatus(system, NODE_ROLES[0]);
    await kubectl.apply(claim({ name: 'new' }), pod({ name: 'new', claim: 'new', node: 'node1' }));
    await kubectl.wait('pod/new', 'condition=Ready');
    await expectProgress(kubectl, 'node1');
    await expectNoErrors(kubectl, 'node1');
    await expectNoRestart(kubectl, 'node1');
  },
};

/** What docs/reliability.md promises, in seconds. */
const HEALED_WITHIN = 10;

const clientKilled: Check = {
  name: 'the GlusterFS client of a node is killed while a pod writes: the pod goes on without a restart, and nothing is lost',
  isQuick: true,
  isAlone: true,
  run: async ({ cluster, kubectl }) => {
    await startWriters(kubectl, ['node1', 'node2']);
    const worker = cluster.worker('node1');
    // What the same would take without healing: a pod made anew.
    const started = await uptime();
    await kubectl.apply(pod({ name: 'new', claim: 'data', node: 'node1' }));
    await kubectl.wait('pod/new', 'condition=Ready');
    const start = (await uptime()) - started;
    const clients = `^[^ ]*glusterfs .*--volfile-id=/${GLUSTER_VOLUME} .*${worker.kubeletDir}/plugins/`;
    const [pid, ...more] = await worker.pidsOf(clients);
    expectThat(pid !== undefined && more.length === 0, `node1 has not one client, but ${[pid, ...more].join(', ')}`);
    const killed = await uptime();
    await worker.machine.mustRun(['kill', '-9', pid]);
    await waitFor('another client', async () => {
      const found = await worker.pidsOf(clients);
      return found.length > 0 && !found.includes(pid) ? true : undefined;
    });
    await expectProgress(kubectl, 'node1');
    const pause = await longestPause(kubectl, 'node1', killed);
    process.stdout.write(`               longest pause: ${pause} s; a new pod took ${start.toFixed(1)} s\n`);
    expectThat(pause < Math.max(HEALED_WITHIN, 2 * start), `the writer went on after ${pause} s`);
    expectEqual(await kubectl.mustSh('new', 'cat /data/on-node1 > /dev/null && echo seen'), 'seen', 'the other pod');
    for (const node of ['node1', 'node2']) await expectNoRestart(kubectl, node);
    await expectNoErrors(kubectl, 'node2');
    await expectNothingLost(kubectl, 'node1', 'node2');
    await waitFor(
      "the pod's event",
      async () => {
        const own = (await kubectl.events()).filter(({ involvedObject }) => involvedObject.name === 'on-node1');
        return own.some(({ reason }) => reason === 'VolumeHealed') ? true : undefined;
      },
      { intervalMs: 1_000 },
    );
  },
};

export const faultChecks: readonly Check[] = [clientKilled, cutOff, kubeletRestarted, roleKilled, upgraded];
