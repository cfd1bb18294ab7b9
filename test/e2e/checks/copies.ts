import * as v from 'valibot';
import { expectEqual, type Check } from '../lib/check.js';
import type { Kubectl, Manifest } from '../lib/kubectl.js';
import { claim, pod } from '../lib/objects.js';

function snapshot(name: string, source: string): Manifest {
  return {
    apiVersion: 'snapshot.storage.k8s.io/v1',
    kind: 'VolumeSnapshot',
    metadata: { name },
    spec: { volumeSnapshotClassName: 'kayal', source: { persistentVolumeClaimName: source } },
  };
}

const FILL = 'mkdir -p /data/deep/er && echo before > /data/deep/er/file && seq 1 20000 > /data/numbers && sync';
const SUM = 'cat /data/deep/er/file /data/numbers | md5sum';

/** @returns the checksum of what was written */
async function filled(kubectl: Kubectl): Promise<string> {
  await kubectl.apply(claim({ name: 'data' }), pod({ name: 'writer', claim: 'data' }));
  await kubectl.wait('pod/writer', 'condition=Ready');
  await kubectl.mustSh('writer', FILL);
  return kubectl.mustSh('writer', SUM);
}

function restored(storageClass: string): Check {
  return {
    name: `a snapshot is restored with the same content, into ${storageClass}`,
    isQuick: storageClass === 'kayal',
    run: async ({ kubectl }) => {
      const sum = await filled(kubectl);
      await kubectl.apply(snapshot('snapshot', 'data'));
      await kubectl.wait('volumesnapshot/snapshot', 'jsonpath={.status.readyToUse}=true');
      await kubectl.mustSh('writer', 'echo after > /data/deep/er/file');
      const from = { kind: 'VolumeSnapshot', name: 'snapshot' } as const;
      await kubectl.apply(claim({ name: 'copy', from, storageClass }), pod({ name: 'reader', claim: 'copy' }));
      await kubectl.wait('pod/reader', 'condition=Ready');
      expectEqual(await kubectl.mustSh('reader', SUM), sum, 'the checksum of the restored content');
      await kubectl.delete('pod/reader', 'pvc/copy');
      await kubectl.delete('volumesnapshot/snapshot');
    },
  };
}

const clone: Check = {
  name: 'a clone has the content of its source, and then one of its own',
  run: async ({ kubectl }) => {
    const sum = await filled(kubectl);
    const from = { kind: 'PersistentVolumeClaim', name: 'data' } as const;
    await kubectl.apply(claim({ name: 'copy', from, size: '128Mi' }), pod({ name: 'reader', claim: 'copy' }));
    await kubectl.wait('pod/reader', 'condition=Ready');
    expectEqual(await kubectl.mustSh('reader', SUM), sum, 'the checksum of the clone');
    await kubectl.mustSh('reader', 'echo other > /data/deep/er/file');
    expectEqual(await kubectl.mustSh('writer', SUM), sum, 'the checksum of the source');
  },
};

const claimSchema = v.looseObject({
  status: v.looseObject({ currentVolumeAttributesClassName: v.optional(v.string()) }),
});

const attributes: Check = {
  name: 'a claim is given a VolumeAttributesClass while a pod uses it',
  run: async ({ kubectl }) => {
    await kubectl.apply(claim({ name: 'data' }), pod({ name: 'user', claim: 'data' }));
    await kubectl.wait('pod/user', 'condition=Ready');
    await kubectl.apply(claim({ name: 'data', attributesClass: 'kept' }));
    await kubectl.wait('pvc/data', 'jsonpath={.status.currentVolumeAttributesClassName}=kept');
    const { status } = await kubectl.get(claimSchema, 'pvc/data');
    expectEqual(status.currentVolumeAttributesClassName, 'kept', 'the class of the claim');
  },
};

export const copyChecks: readonly Check[] = [restored('kayal'), restored('kayal-directory'), clone, attributes];
