import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import * as v from 'valibot';
import { CHART, ensureHelm } from '../../chart/helm.js';
import { mustRun } from '../../lib/run-command.js';
import { waitFor } from '../../lib/wait.js';
import type { Kubectl, Manifest } from '../lib/kubectl.js';
import { DEFAULT_KUBELET_DIR, OTHER_KUBELET_DIR, type Cluster } from './cluster.js';
import { GLUSTER_VOLUME } from './gluster-server.js';
import { SHARED_PATH } from './shared-directory.js';

export const NAMESPACE = 'kayal-system';
export const DRIVER = 'csi.kayal.storage';
export const CONTROLLER = 'deployment/kayal-controller';
/** Says which kubelet directory a node has: one chart serves nodes with one. */
const KUBELET_LABEL = 'e2e.kayal.storage/kubelet';

/** Nobody serves a volume there. */
const NOBODY = '127.0.0.254';

/**
 * The chart's values for the cluster; its classes are what the checks use.
 * @param podAnnotations of the roles' pods: other ones replace them
 */
function valuesFor(cluster: Cluster, podAnnotations: Readonly<Record<string, string>>): object {
  const tag = (program: string): object => ({ image: { tag: cluster.tools.sidecars[program] } });
  const pool = (name: string): object => ({ parameters: { pool: name } });
  const pattern = '${pvc.metadata.namespace}-${pvc.metadata.name}-${pv.metadata.name}';
  return {
    installation: 'e2e',
    pools: [
      {
        name: 'shared',
        type: 'gluster',
        hosts: [cluster.gluster.machine.place.address],
        volume: GLUSTER_VOLUME,
        inlineVolumes: { maxSize: '1Gi' },
      },
      { name: 'nfs', type: 'directory', path: SHARED_PATH, shared: true, quota: 'none' },
      { name: 'gone', type: 'gluster', hosts: [NOBODY], volume: 'gone' },
    ],
    storageClasses: [
      { name: 'kayal', default: true, ...pool('shared') },
      { name: 'kayal-directory', ...pool('nfs') },
      { name: 'kayal-gone', ...pool('gone') },
      // XFS: to grow an ext4 in use takes CAP_SYS_RESOURCE, which root lacks on some machines.
      { name: 'kayal-file', parameters: { pool: 'shared', volumeType: 'file', fsType: 'xfs' } },
      { name: 'kayal-readable', parameters: { pool: 'shared', pathPattern: pattern } },
      { name: 'kayal-late', volumeBindingMode: 'WaitForFirstConsumer', ...pool('shared') },
    ],
    volumeSnapshotClasses: [{ name: 'kayal', default: true }],
    volumeAttributesClasses: [{ name: 'kept', parameters: { onDelete: 'archive', softLimitPercent: '80' } }],
    provisioner: { ...tag('csi-provisioner'), capacityPollInterval: '10s' },
    resizer: tag('csi-resizer'),
    snapshotter: { ...tag('csi-snapshotter'), enabled: true },
    attacher: tag('csi-attacher'),
    controller: { podAnnotations },
    node: { podAnnotations, nodeSelector: { [KUBELET_LABEL]: 'default' } },
  };
}

/** helm on the cluster. @throws Error with what it printed */
export async function helm(cluster: Cluster, ...args: readonly string[]): Promise<string> {
  const env = { ...process.env, HELM_NO_PLUGINS: '1', KUBECONFIG: cluster.kubeconfig };
  return mustRun(await ensureHelm(), args, { env, timeoutMs: 300_000 });
}

const manifestSchema = v.looseObject({
  apiVersion: v.string(),
  kind: v.string(),
  metadata: v.looseObject({ name: v.string() }),
});

export function parseManifests(yaml: string): readonly Manifest[] {
  return parseAllDocuments(yaml).flatMap((document): Manifest[] => {
    const value: unknown = document.toJS();
    return value === null ? [] : [v.parse(manifestSchema, value)];
  });
}

/** The chart's DaemonSets once more, for the nodes with another kubelet directory (docs/install.md). */
async function applyOtherNodes(cluster: Cluster, values: string): Promise<void> {
  const set = [
    `--set=kubeletDir=${OTHER_KUBELET_DIR}`,
    `--set=node.nodeSelector.${KUBELET_LABEL.replaceAll('.', '\\.')}=other`,
  ];
  const files = [`--values=${values}`, ...set, '--kube-version', cluster.tools.kubernetes];
  const text = await helm(cluster, 'template', 'kayal', CHART, `--namespace=${NAMESPACE}`, ...files);
  const sets = parseManifests(text).filter(({ kind }) => kind === 'DaemonSet');
  const renamed = sets.map((one) => ({ ...one, metadata: { ...one.metadata, name: `${one.metadata.name}-other` } }));
  await cluster.kubectl.in(NAMESPACE).apply(...renamed);
}

interface PodTemplate {
  readonly spec: { readonly containers: readonly Readonly<Record<string, unknown>>[] };
}
interface DeploymentSpec {
  readonly template: PodTemplate;
}

/** One replica of the built image, instead of two of the one that the project released last. */
function ownController(manifest: Manifest, image: string): Manifest {
  if (manifest.kind !== 'Deployment') return manifest;
  const spec = manifest['spec'] as DeploymentSpec;
  const containers = spec.template.spec.containers.map((one) => ({ ...one, image, imagePullPolicy: 'IfNotPresent' }));
  const template = { ...spec.template, spec: { ...spec.template.spec, containers } };
  return { ...manifest, spec: { ...spec, replicas: 1, template } };
}

async function installSnapshots(cluster: Cluster): Promise<void> {
  const { kubectl, tools } = cluster;
  const names = await readdir(tools.snapshotManifests);
  const texts = await Promise.all(names.map((name) => readFile(join(tools.snapshotManifests, name), 'utf8')));
  const image = `registry.k8s.io/sig-storage/snapshot-controller:${tools.sidecars['snapshot-controller']}`;
  const manifests = texts.flatMap(parseManifests).map((manifest) => ownController(manifest, image));
  await kubectl.in('kube-system').apply(...manifests);
  await kubectl.wait('crd/volumesnapshots.snapshot.storage.k8s.io', 'condition=Established');
}

/** Writes the values. @returns their file */
async function writeValues(cluster: Cluster, podAnnotations: Readonly<Record<string, string>> = {}): Promise<string> {
  const file = join(cluster.directory, 'values.yaml');
  await writeFile(file, JSON.stringify(valuesFor(cluster, podAnnotations), undefined, 2));
  return file;
}

/** Another release with the same settings: pods of all roles that the chart replaces by itself are made anew. */
export async function upgradeKayal(cluster: Cluster, reason: string): Promise<void> {
  const values = await writeValues(cluster, { 'e2e.kayal.storage/upgrade': reason });
  await helm(cluster, 'upgrade', 'kayal', CHART, `--namespace=${NAMESPACE}`, `--values=${values}`);
  await applyOtherNodes(cluster, values);
  await rolloutStatus(cluster.kubectl.in(NAMESPACE), CONTROLLER);
}

const csiNodeSchema = v.looseObject({
  spec: v.looseObject({ drivers: v.nullish(v.array(v.looseObject({ name: v.string() }))) }),
});

/** Waits until kubelet of every node knows the driver. */
export async function waitForDriver(cluster: Cluster): Promise<void> {
  for (const { name } of cluster.workers) {
    await waitFor(
      `the driver on ${name}`,
      async () => {
        const { spec } = await cluster.kubectl.get(csiNodeSchema, `csinode/${name}`);
        return spec.drivers?.some((driver) => driver.name === DRIVER) === true ? true : undefined;
      },
      { timeoutMs: 180_000, intervalMs: 1_000 },
    );
  }
}

export async function rolloutStatus(kubectl: Kubectl, workload: string): Promise<void> {
  await kubectl.do(['rollout', 'status', workload, '--timeout=240s'], { timeoutMs: 260_000 });
}

/** The snapshot CRDs and their controller, then Kayal, by its chart; what is there already is brought up to date. */
export async function installKayal(cluster: Cluster): Promise<void> {
  const { kubectl } = cluster;
  await installSnapshots(cluster);
  for (const { name, kubeletDir } of cluster.workers) {
    const value = kubeletDir === DEFAULT_KUBELET_DIR ? 'default' : 'other';
    await kubectl.do(['label', '--overwrite', `node/${name}`, `${KUBELET_LABEL}=${value}`]);
  }
  const labels = { 'pod-security.kubernetes.io/enforce': 'privileged' };
  await kubectl.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE, labels } });
  const values = await writeValues(cluster);
  await helm(cluster, 'upgrade', '--install', 'kayal', CHART, `--namespace=${NAMESPACE}`, `--values=${values}`);
  await applyOtherNodes(cluster, values);
  await rolloutStatus(kubectl.in(NAMESPACE), CONTROLLER);
  await waitForDriver(cluster);
}
