import * as v from 'valibot';
import { waitFor } from '../../lib/wait.js';
import type { Cluster } from '../cluster/cluster.js';
import { NAMESPACE } from '../cluster/install.js';
import { expectEqual, type Check } from '../lib/check.js';
import { waitWhileGoingOn } from '../lib/going-on.js';
import { claim, pod } from '../lib/objects.js';

const moved: Check = {
  name: 'a pod that is made again on another node finds its data',
  isQuick: true,
  run: async ({ kubectl }) => {
    await kubectl.apply(claim({ name: 'data', mode: 'ReadWriteOnce', storageClass: 'kayal-late' }));
    await kubectl.apply(pod({ name: 'user', claim: 'data', node: 'node1' }));
    await kubectl.wait('pod/user', 'condition=Ready');
    await kubectl.mustSh('user', 'echo hello > /data/file');
    await kubectl.delete('pod/user');
    await kubectl.apply(pod({ name: 'user', claim: 'data', node: 'node3' }));
    await kubectl.wait('pod/user', 'condition=Ready');
    expectEqual(await kubectl.mustSh('user', 'cat /data/file'), 'hello', 'what was read');
  },
};

const volumeSchema = v.looseObject({
  metadata: v.looseObject({ name: v.string() }),
  spec: v.looseObject({ claimRef: v.optional(v.looseObject({ namespace: v.string() })) }),
});

/** How many files and directories there are in the trash of the Gluster pool, as it lies on its brick; 0 when none of `volumes` is there. */
async function inTrash(cluster: Cluster, volumes: readonly string[]): Promise<number> {
  const { stdout } = await cluster.gluster.machine.run(['find', `${cluster.gluster.brick}/.kayal/trash`]);
  // All of it, as what lies there longer is purged first.
  return volumes.some((name) => stdout.includes(name)) ? stdout.split('\n').length : 0;
}

const namespaceDeleted: Check = {
  name: 'a namespace is deleted: volumes gone, trash purged, nothing mounted on any node',
  isQuick: true,
  run: async ({ cluster, kubectl, namespace }) => {
    const inner = `${namespace}-inner`;
    const own = cluster.kubectl.in(inner);
    await kubectl.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: inner } });
    const names = cluster.workers.map(({ name }) => name);
    await own.apply(
      claim({ name: 'data' }),
      claim({ name: 'other', storageClass: 'kayal-directory' }),
      ...names.map((node) => pod({ name: `on-${node}`, claim: 'data', node })),
      pod({ name: 'other', claim: 'other' }),
    );
    for (const node of names) await own.wait(`pod/on-${node}`, 'condition=Ready');
    await own.wait('pod/other', 'condition=Ready');
    await own.mustSh('on-node1', 'mkdir /data/many && for n in $(seq 300); do echo $n > /data/many/$n; done');
    const volumes = await own.list(volumeSchema, 'pv');
    const ours = volumes.filter(({ spec }) => spec.claimRef?.namespace === inner).map(({ metadata }) => metadata.name);
    expectEqual(ours.length, 2, 'the number of volumes');
    await kubectl.delete(`namespace/${inner}`);
    for (const name of ours) await own.wait(`pv/${name}`, 'delete');
    await waitWhileGoingOn('the purge', () => inTrash(cluster, ours));
    await waitFor(
      'nodes without mounts of these volumes',
      async () => {
        const mounts = await Promise.all(cluster.workers.map((worker) => worker.volumeMounts()));
        return mounts.flat().some((target) => ours.some((name) => target.includes(name))) ? undefined : true;
      },
      { timeoutMs: 60_000, intervalMs: 1_000 },
    );
  },
};

const controllerKilled: Check = {
  name: 'the controller is killed while 50 claims are made: all are bound, and none leaves an orphan',
  isAlone: true,
  run: async ({ cluster, kubectl, namespace }) => {
    const count = 50;
    const claims = Array.from({ length: count }, (_, index) => claim({ name: `data-${index}`, size: '1Mi' }));
    const isBound = async (): Promise<number> => {
      const text = await kubectl.do(['get', 'pvc', '--output=jsonpath={.items[*].status.phase}']);
      return text.split(' ').filter((phase) => phase === 'Bound').length;
    };
    await kubectl.apply(...claims);
    await waitFor('the first volumes', async () => ((await isBound()) >= 5 ? true : undefined), { timeoutMs: 120_000 });
    const system = cluster.kubectl.in(NAMESPACE);
    const selector = '--selector=app.kubernetes.io/component=controller';
    await system.do(['delete', 'pod', selector, '--grace-period=0', '--force']);
    await waitWhileGoingOn('claims to be bound', async () => count - (await isBound()));
    // Records of a claim's namespace; a volume that nobody knows of would have one too, or a directory without one.
    const records = async (): Promise<number> => {
      const find = ['grep', '-rl', `"namespace": "${namespace}"`, `${cluster.gluster.brick}/.kayal/volumes`];
      return (await cluster.gluster.machine.run(find)).stdout.split('\n').filter(Boolean).length;
    };
    const directories = async (): Promise<readonly string[]> => {
      const find = ['find', `${cluster.gluster.brick}/volumes`, '-mindepth', '2', '-maxdepth', '2', '-printf', '%f\\n'];
      return (await cluster.gluster.machine.mustRun(find)).split('\n').filter(Boolean);
    };
    expectEqual(await records(), count, 'the number of records');
    await kubectl.delete('pvc', '--all');
    await waitWhileGoingOn('what nobody knows of in the pool', async () => {
      const names = new Set((await system.list(volumeSchema, 'pv')).map(({ metadata }) => metadata.name));
      return (await directories()).filter((name) => !names.has(name)).length + (await records());
    });
  },
};

export const lifeChecks: readonly Check[] = [moved, namespaceDeleted, controllerKilled];
