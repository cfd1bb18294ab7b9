import { waitFor } from '../../lib/wait.js';
import * as v from 'valibot';
import { ORDINARY_USER } from '../cluster/control-plane.js';
import { DRIVER, NAMESPACE } from '../cluster/install.js';
import { expectEqual, expectIncludes, expectThat, type Check } from '../lib/check.js';
import type { Manifest } from '../lib/kubectl.js';
import { claim, pod } from '../lib/objects.js';

function staticVolume(name: string, path: string): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name },
    spec: {
      capacity: { storage: '64Mi' },
      accessModes: ['ReadWriteMany'],
      persistentVolumeReclaimPolicy: 'Retain',
      storageClassName: '',
      csi: { driver: DRIVER, volumeHandle: `shared/${name}`, volumeAttributes: { pool: 'shared', path } },
    },
  };
}

const administrators: Check = {
  name: "an administrator's static volume shows a directory that was there before",
  isQuick: true,
  run: async ({ kubectl, cluster, namespace }) => {
    const name = `static-${namespace}`;
    await cluster.gluster.withMount(async (mount) => {
      await cluster.gluster.machine.mustRun(['mkdir', '-m', '0777', '-p', `${mount}/${name}/inner`]);
      await cluster.gluster.machine.mustRun(['sh', '-c', `echo hello > ${mount}/${name}/inner/file`]);
    });
    try {
      await kubectl.apply(
        staticVolume(name, `${name}/inner`),
        claim({ name: 'data', storageClass: '', volumeName: name }),
        pod({ name: 'user', claim: 'data' }),
      );
      await kubectl.wait('pod/user', 'condition=Ready');
      expectEqual(await kubectl.mustSh('user', 'cat /data/file'), 'hello', 'what was read');
      await kubectl.delete('pod/user', 'pvc/data');
    } finally {
      await kubectl.delete(`pv/${name}`);
    }
  },
};

const ordinary: Check = {
  name: "an ordinary user's static volume is refused, also where RBAC allows volumes",
  isQuick: true,
  run: async ({ cluster, namespace }) => {
    const role = 'volume-makers';
    const group = 'rbac.authorization.k8s.io';
    await cluster.kubectl.apply(
      {
        apiVersion: `${group}/v1`,
        kind: 'ClusterRole',
        metadata: { name: role },
        rules: [{ apiGroups: [''], resources: ['persistentvolumes'], verbs: ['*'] }],
      },
      {
        apiVersion: `${group}/v1`,
        kind: 'ClusterRoleBinding',
        metadata: { name: role },
        roleRef: { apiGroup: group, kind: 'ClusterRole', name: role },
        subjects: [{ apiGroup: group, kind: 'User', name: ORDINARY_USER }],
      },
    );
    const own = staticVolume(`stolen-${namespace}`, 'volumes');
    const other: Manifest = {
      ...own,
      metadata: { name: `other-${namespace}` },
      spec: {
        capacity: { storage: '1Mi' },
        accessModes: ['ReadWriteOnce'],
        csi: { driver: 'other.example.com', volumeHandle: 'x' },
      },
    };
    await cluster.user.apply(other);
    await cluster.user.delete(`pv/${other.metadata.name}`);
    const refusal = await cluster.user.apply(own).then(
      () => '',
      (error: Error) => error.message,
    );
    expectIncludes(refusal, `${ORDINARY_USER} may not create PersistentVolumes of ${DRIVER}`, 'the refusal');
  },
};

const capacitySchema = v.looseObject({ storageClassName: v.string(), capacity: v.optional(v.string(), '0') });

const capacity: Check = {
  name: 'CSIStorageCapacity objects say what a class with WaitForFirstConsumer has left',
  run: async ({ cluster }) => {
    const found = await waitFor(
      'capacity of the class',
      async () => {
        const all = await cluster.kubectl.in(NAMESPACE).list(capacitySchema, 'csistoragecapacities');
        const own = all.filter(({ storageClassName }) => storageClassName === 'kayal-late');
        return own.length > 0 ? own : undefined;
      },
      { timeoutMs: 60_000, intervalMs: 1_000 },
    );
    expectThat(
      found.every((one) => one.capacity !== '0'),
      `the class has ${found.map((one) => one.capacity).join(' and ')}`,
    );
  },
};

export const staticChecks: readonly Check[] = [administrators, ordinary, capacity];
