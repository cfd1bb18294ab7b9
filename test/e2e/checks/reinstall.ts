import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun } from '../../lib/run-command.js';
import type { Cluster } from '../cluster/cluster.js';
import {
  changeKayal,
  CONTROLLER,
  helm,
  NAMESPACE,
  NODE_ROLES,
  parseManifests,
  rolloutStatus,
  waitForDriver,
  writeValues,
} from '../cluster/install.js';
import { expectEqual, type Check } from '../lib/check.js';
import type { Kubectl } from '../lib/kubectl.js';
import { claim, pod } from '../lib/objects.js';

/** `npm run manifests -- …`. @returns the file, which is dist/kayal.yaml where --output says nothing else */
export async function renderManifests(cluster: Cluster, ...flags: readonly string[]): Promise<string> {
  const output = join(cluster.directory, 'kayal.yaml');
  const program = ['--import', 'tsx', 'test/chart/render-manifests.ts', '--output', output, ...flags];
  await mustRun(process.execPath, program, { env: { ...process.env, TSX_DISABLE_CACHE: '1' } });
  return output;
}

/** One pod per claim, each on another node. */
const USERS = [
  { name: 'gluster', storageClass: 'kayal', node: 'node1' },
  { name: 'directory', storageClass: 'kayal-directory', node: 'node3' },
] as const;

async function startUsers(kubectl: Kubectl): Promise<void> {
  await kubectl.apply(...USERS.map(({ name, node }) => pod({ name, claim: name, node })));
  for (const { name } of USERS) await kubectl.wait(`pod/${name}`, 'condition=Ready');
}

async function removeManifests(cluster: Cluster, file: string): Promise<void> {
  const objects = parseManifests(await readFile(file, 'utf8')).filter(({ kind }) => kind !== 'Namespace');
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
  await cluster.kubectl
    .in(NAMESPACE)
    .do(['delete', '--ignore-not-found', '--filename=-'], { input, timeoutMs: 240_000 });
}

const reinstall: Check = {
  name: 'Kayal is uninstalled, and installed again from the plain YAML of npm run manifests: volumes are as they were',
  isAlone: true,
  run: async ({ cluster, kubectl }) => {
    await kubectl.apply(...USERS.map(({ name, storageClass }) => claim({ name, storageClass })));
    await startUsers(kubectl);
    for (const { name } of USERS) await kubectl.mustSh(name, `echo ${name} > /data/file`);
    await kubectl.delete('pods', '--all');
    const file = await renderManifests(cluster, '--values', await writeValues(cluster));
    await helm(cluster, 'uninstall', 'kayal', `--namespace=${NAMESPACE}`, '--wait');
    try {
      const phases = await kubectl.do(['get', 'pvc', '--output=jsonpath={.items[*].status.phase}']);
      expectEqual(phases, 'Bound Bound', 'what is left of the claims');
      await cluster.kubectl.in(NAMESPACE).do(['apply', '--server-side', '--filename', file]);
      for (const workload of [CONTROLLER, ...NODE_ROLES]) await rolloutStatus(cluster.kubectl.in(NAMESPACE), workload);
      await waitForDriver(cluster);
      await startUsers(kubectl);
      for (const { name } of USERS) expectEqual(await kubectl.mustSh(name, 'cat /data/file'), name, 'what was read');
      await kubectl.apply(claim({ name: 'new' }));
      await kubectl.wait('pvc/new', 'jsonpath={.status.phase}=Bound');
      await kubectl.delete('pods,pvc', '--all');
    } finally {
      await removeManifests(cluster, file);
      await changeKayal(cluster, {});
    }
  },
};

export const reinstallChecks: readonly Check[] = [reinstall];
