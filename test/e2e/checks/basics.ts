import * as v from 'valibot';
import { waitFor } from '../../lib/wait.js';
import { expectEqual, expectIncludes, expectThat, type Check, type CheckContext } from '../lib/check.js';
import { claim, pod } from '../lib/objects.js';

const MiB = 1024 * 1024;

const CLASSES = [
  { storageClass: 'kayal', pool: 'a Gluster pool' },
  { storageClass: 'kayal-directory', pool: 'a directory pool' },
] as const;

function boundAndUsed(storageClass: string, pool: string): Check {
  return {
    name: `a claim on ${pool} is bound, and its pod writes and reads`,
    isQuick: true,
    run: async ({ kubectl }) => {
      await kubectl.apply(claim({ name: 'data', storageClass }), pod({ name: 'user', claim: 'data' }));
      await kubectl.wait('pvc/data', 'jsonpath={.status.phase}=Bound');
      await kubectl.wait('pod/user', 'condition=Ready');
      await kubectl.mustSh('user', 'echo hello > /data/file');
      expectEqual(await kubectl.mustSh('user', 'cat /data/file'), 'hello', 'what was read');
    },
  };
}

/** Three pods of one claim, one on every node. */
async function onEveryNode({ kubectl, cluster }: CheckContext, storageClass: string): Promise<readonly string[]> {
  const names = cluster.workers.map(({ name }) => name);
  const pods = names.map((node) => pod({ name: `on-${node}`, claim: 'data', node }));
  await kubectl.apply(claim({ name: 'data', storageClass }), ...pods);
  for (const { metadata } of pods) await kubectl.wait(`pod/${metadata.name}`, 'condition=Ready');
  return pods.map(({ metadata }) => metadata.name);
}

function shared(storageClass: string, pool: string): Check {
  return {
    name: `pods on three nodes, one with another kubelet directory, share a claim on ${pool}`,
    isQuick: storageClass === 'kayal',
    run: async (context) => {
      const { kubectl } = context;
      const pods = await onEveryNode(context, storageClass);
      for (const name of pods) await kubectl.mustSh(name, `echo ${name} > /data/${name}`);
      for (const name of pods) {
        const seen = await kubectl.mustSh(name, 'cat /data/on-*');
        expectEqual(seen, [...pods].sort().join('\n'), `what ${name} reads`);
      }
    },
  };
}

const limit: Check = {
  name: 'the limit stops the writer inside the pod',
  isQuick: true,
  run: async ({ kubectl }) => {
    await kubectl.apply(claim({ name: 'data', size: '32Mi' }), pod({ name: 'writer', claim: 'data' }));
    await kubectl.wait('pod/writer', 'condition=Ready');
    const { code, stderr } = await kubectl.sh('writer', 'dd if=/dev/zero of=/data/big bs=1M count=64 conv=fsync');
    process.stdout.write(`               dd ended with ${code}: ${stderr.trim().split('\n')[0]}\n`);
    expectEqual(code, 1, 'the exit code of dd');
    expectThat(/Disk quota exceeded|No space left/.test(stderr), `dd says: ${stderr}`);
    const used = Number(await kubectl.mustSh('writer', 'stat -c %s /data/big || echo 0'));
    expectThat(used <= 40 * MiB, `the volume of 32 MiB holds ${used} bytes`);
    const size = Number(await kubectl.mustSh('writer', "df -kP /data | awk 'NR == 2 { print $2 }'"));
    expectEqual(size, 32 * 1024, 'the size that df shows, in KiB');
  },
};

const summarySchema = v.looseObject({
  pods: v.array(
    v.looseObject({
      podRef: v.looseObject({ name: v.string(), namespace: v.string() }),
      volume: v.optional(
        v.array(
          v.looseObject({
            name: v.string(),
            capacityBytes: v.optional(v.number()),
            usedBytes: v.optional(v.number()),
            pvcRef: v.optional(v.looseObject({ name: v.string() })),
          }),
        ),
        [],
      ),
    }),
  ),
});

const stats: Check = {
  name: "kubelet's volume statistics show the volume's own figures",
  isQuick: true,
  run: async ({ kubectl, namespace, cluster }) => {
    const node = cluster.worker('node1').name;
    await kubectl.apply(claim({ name: 'data' }), pod({ name: 'user', claim: 'data', node }));
    await kubectl.wait('pod/user', 'condition=Ready');
    await kubectl.mustSh('user', 'dd if=/dev/zero of=/data/file bs=1M count=10 conv=fsync');
    await waitFor(
      'statistics of 64 MiB, 10 MiB of them used',
      async () => {
        const { pods } = await kubectl.get(summarySchema, `/api/v1/nodes/${node}/proxy/stats/summary`);
        const [volume] = pods
          .filter(({ podRef }) => podRef.namespace === namespace)
          .flatMap((one) => one.volume)
          .filter(({ pvcRef }) => pvcRef?.name === 'data');
        const used = volume?.usedBytes ?? 0;
        return volume?.capacityBytes === 64 * MiB && used >= 10 * MiB && used < 11 * MiB ? true : undefined;
      },
      { timeoutMs: 120_000, intervalMs: 2_000 },
    );
  },
};

const expansion: Check = {
  name: 'an expansion reaches the running pod',
  isQuick: true,
  run: async ({ kubectl }) => {
    await kubectl.apply(claim({ name: 'data', size: '32Mi' }), pod({ name: 'user', claim: 'data' }));
    await kubectl.wait('pod/user', 'condition=Ready');
    await kubectl.apply(claim({ name: 'data', size: '96Mi' }));
    await kubectl.wait('pvc/data', 'jsonpath={.status.capacity.storage}=96Mi');
    const size = Number(await kubectl.mustSh('user', "df -kP /data | awk 'NR == 2 { print $2 }'"));
    expectEqual(size, 96 * 1024, 'the size that df shows, in KiB');
    await kubectl.mustSh('user', 'dd if=/dev/zero of=/data/big bs=1M count=64 conv=fsync');
  },
};

const volumeSchema = v.looseObject({
  spec: v.looseObject({ csi: v.looseObject({ volumeHandle: v.string() }) }),
});

const readablePath: Check = {
  name: 'a pathPattern is visible outside of the cluster, on a mount of the pool',
  run: async ({ kubectl, namespace, cluster }) => {
    const objects = [claim({ name: 'data', storageClass: 'kayal-readable' }), pod({ name: 'user', claim: 'data' })];
    await kubectl.apply(...objects);
    await kubectl.wait('pod/user', 'condition=Ready');
    await kubectl.mustSh('user', 'echo hello > /data/file');
    const volume = await kubectl.do(['get', 'pvc/data', '--output=jsonpath={.spec.volumeName}']);
    const { spec } = await kubectl.get(volumeSchema, `pv/${volume}`);
    expectIncludes(spec.csi.volumeHandle, 'shared/', 'the handle');
    const path = `${namespace}-data-${volume}`;
    await cluster.gluster.withMount(async (mount) => {
      const { machine } = cluster.gluster;
      expectEqual((await machine.mustRun(['cat', `${mount}/${path}/file`])).trim(), 'hello', `${path}/file`);
    });
  },
};

export const basicChecks: readonly Check[] = [
  ...CLASSES.map(({ storageClass, pool }) => boundAndUsed(storageClass, pool)),
  limit,
  stats,
  expansion,
  ...CLASSES.map(({ storageClass, pool }) => shared(storageClass, pool)),
  readablePath,
];
