import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { waitFor } from '../../lib/wait.js';
import { parseManifests } from '../cluster/install.js';
import { expectEqual, expectThat, type Check, type CheckContext } from '../lib/check.js';
import type { Manifest } from '../lib/kubectl.js';

const CLUSTER_WIDE = new Set(['PersistentVolume', 'StorageClass', 'VolumeAttributesClass']);

async function readExample(name: string): Promise<readonly Manifest[]> {
  return parseManifests(await readFile(join('examples', `${name}.yaml`), 'utf8'));
}

/** Applies an example as it is, for the time of `use`. What does not belong to the check's namespace is deleted after it. */
async function withExample({ kubectl }: CheckContext, name: string, use: () => Promise<void>): Promise<void> {
  const objects = await readExample(name);
  await kubectl.apply(...objects);
  try {
    await use();
  } finally {
    for (const { kind, metadata } of [...objects].reverse()) {
      if (CLUSTER_WIDE.has(kind)) await kubectl.delete(`${kind.toLowerCase()}/${metadata.name}`);
      else
        await kubectl.run(['delete', `${kind.toLowerCase()}/${metadata.name}`, '--ignore-not-found', '--wait=false']);
    }
  }
}

function example(name: string, what: string, use: (context: CheckContext) => Promise<void>): Check {
  return {
    name: `examples/${name}.yaml: ${what}`,
    needsBuiltImages: true,
    run: (context) => withExample(context, name, () => use(context)),
  };
}

const nginx = example('nginx', 'three web servers serve what was written once', async ({ kubectl }) => {
  await kubectl.wait('deployment/nginx', 'condition=Available');
  await kubectl.mustSh('deployment/nginx', 'echo hello > /usr/share/nginx/html/index.html');
  const addresses = await kubectl.do(['get', 'pods', '--output=jsonpath={.items[*].status.podIP}']);
  expectEqual(addresses.split(' ').length, 3, 'the number of pods');
  await kubectl.do(['run', 'browser', '--image=busybox:1', '--restart=Never', '--', 'sleep', '3600']);
  await kubectl.wait('pod/browser', 'condition=Ready');
  for (const address of addresses.split(' '))
    expectEqual(await kubectl.mustSh('browser', `wget -q -O - http://${address}/`), 'hello', `what ${address} serves`);
});

const home = example('home-directory', 'its owner works in it', async ({ kubectl }) => {
  await kubectl.wait('pod/shell', 'condition=Ready');
  await kubectl.mustSh('shell', 'echo hello > ~/notes');
  const size = await kubectl.mustSh('shell', "df -kP . | awk 'NR == 2 { print $2 }'");
  expectEqual(Number(size), 200 * 1024, 'the size that df shows, in KiB');
});

const twoContainers: Check = {
  name: 'examples/two-containers.yaml: the data is there after delete and apply',
  run: async (context) => {
    const { kubectl, cluster } = context;
    const { machine } = cluster.gluster;
    await cluster.gluster.withMount((mount) => machine.mustRun(['mkdir', '-p', '-m', '0777', `${mount}/reports`]));
    const lines = async (): Promise<number> =>
      Number(await kubectl.mustSh('deployment/reports', 'wc -l < /reports/log 2> /dev/null || echo 0'));
    let before = 0;
    await withExample(context, 'two-containers', async () => {
      await kubectl.wait('deployment/reports', 'condition=Available');
      await waitFor('some lines', async () => ((await lines()) > 2 ? true : undefined), { intervalMs: 1_000 });
      const { stdout } = await kubectl.run(['logs', 'deployment/reports', '--container=read']);
      expectThat(stdout.trim() !== '', 'the second container has read nothing');
      before = await lines();
    });
    await waitFor(
      'the pod to end',
      async () => ((await kubectl.do(['get', 'pods', '--output=name'])) === '' ? true : undefined),
      {
        timeoutMs: 60_000,
        intervalMs: 1_000,
      },
    );
    await withExample(context, 'two-containers', async () => {
      await kubectl.wait('deployment/reports', 'condition=Available');
      const now = await lines();
      expectThat(now >= before, `there were ${before} lines, there are ${now}`);
    });
  },
};

const writerReader = example('writer-reader', 'one reads what the other one writes', async ({ kubectl }) => {
  for (const name of ['writer', 'reader']) await kubectl.wait(`pod/${name}`, 'condition=Ready');
  await waitFor(
    'what the reader has read',
    async () => ((await kubectl.do(['logs', 'reader'])).split('\n').length > 3 ? true : undefined),
    { timeoutMs: 60_000, intervalMs: 1_000 },
  );
});

/** Writes a row, replaces the pod, and reads it. */
async function expectDurableRow({ kubectl }: CheckContext, workload: string, selector: string): Promise<void> {
  const psql = (query: string): Promise<string> =>
    kubectl.mustSh(workload, `psql --username=postgres --host=/var/run/postgresql -tAc "${query}"`);
  await kubectl.do(['rollout', 'status', workload, '--timeout=180s'], { timeoutMs: 190_000 });
  await psql('create table notes (text text)');
  await psql("insert into notes values ('hello')");
  await kubectl.do(['delete', 'pod', `--selector=${selector}`], { timeoutMs: 120_000 });
  await kubectl.do(['rollout', 'status', workload, '--timeout=180s'], { timeoutMs: 190_000 });
  expectEqual(await psql('select text from notes'), 'hello', 'the row');
}

const postgresql = example('postgresql', 'a row outlives the pod', (context) =>
  expectDurableRow(context, 'deployment/postgresql', 'app=postgresql'),
);

const statefulSet = example('postgresql-statefulset', 'a row outlives the pod', (context) =>
  expectDurableRow(context, 'statefulset/database', 'app=database'),
);

const twoClasses = example('two-storageclasses', 'claims are made in two pools', async ({ kubectl }) => {
  for (const name of ['precious', 'temporary']) await kubectl.wait(`pvc/${name}`, 'jsonpath={.status.phase}=Bound');
  await kubectl.delete('pvc/precious', 'pvc/temporary');
});

const readable = example(
  'readable-directory',
  "its directory is read from another machine's mount of the pool",
  async (context) => {
    const { kubectl, cluster, namespace } = context;
    await kubectl.wait('pod/exporter', 'condition=Ready');
    const volume = await kubectl.do(['get', 'pvc/exports', '--output=jsonpath={.spec.volumeName}']);
    await cluster.gluster.withMount(async (mount) => {
      const file = `${mount}/${volume}_${namespace}_exports/made`;
      await waitFor('the file', async () =>
        (await cluster.gluster.machine.run(['cat', file])).code === 0 ? true : undefined,
      );
    });
    await kubectl.delete('pod/exporter', 'pvc/exports');
  },
);

export const exampleChecks: readonly Check[] = [
  nginx,
  home,
  twoContainers,
  writerReader,
  postgresql,
  statefulSet,
  twoClasses,
  readable,
];
