import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import * as v from 'valibot';
import { CHART, ensureHelm } from '../../chart/helm.js';
import { mustRun } from '../../lib/run-command.js';
import { waitFor } from '../../lib/wait.js';
import type { Kubectl, Manifest } from '../lib/kubectl.js';
import { OTHER_KUBELET_DIR, type Cluster } from './cluster.js';
import { GLUSTER_VOLUME } from './gluster-server.js';
import { SHARED_PATH } from './shared-directory.js';

export const NAMESPACE = 'kayal-system';
export const DRIVER = 'csi.kayal.storage';
export const CONTROLLER = 'deployment/kayal-controller';
/** Tells the nodes with another kubelet directory from the rest. */
const KUBELET_LABEL = 'e2e.kayal.storage/kubelet';
const OTHER = 'k0s';
/** The chart's DaemonSets of the node role. */
export const NODE_ROLES = ['daemonset/kayal-node', `daemonset/kayal-node-${OTHER}`] as const;

/** Nobody serves a volume there. */
const NOBODY = '127.0.0.254';

export interface Settings {
  /** Of the roles' pods: other ones replace them. */
  readonly podAnnotations?: Readonly<Record<string, string>>;
  /** attachRequired, with csi-attacher. */
  readonly attach?: boolean;
  /** Default: any node. */
  readonly controllerOn?: string;
  /** The node with the pool `local` and its class `kayal-local`: the directory LOCAL_PATH of that node. */
  readonly localPoolOn?: string;
}

export const LOCAL_PATH = '/var/lib/kayal-local';

/** The chart's values for the cluster; its classes are what the checks use. */
function valuesFor(cluster: Cluster, settings: Settings): object {
  const { podAnnotations = {}, attach = false, controllerOn, localPoolOn: node } = settings;
  const tag = (program: string): object => ({ image: { tag: cluster.tools.sidecars[program] } });
  const pool = (name: string): object => ({ parameters: { pool: name } });
  const late = { volumeBindingMode: 'WaitForFirstConsumer' };
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
      ...(node === undefined
        ? []
        : [{ name: 'local', type: 'directory', path: LOCAL_PATH, node, requireMount: false, quota: 'none' }]),
    ],
    storageClasses: [
      { name: 'kayal', default: true, ...pool('shared') },
      { name: 'kayal-directory', ...pool('nfs') },
      { name: 'kayal-gone', ...pool('gone') },
      // XFS: to grow an ext4 in use takes CAP_SYS_RESOURCE, which root lacks on some machines. By the key that Kubernetes' own
      // tests set, too: external-provisioner refuses this one beside `fsType`.
      { name: 'kayal-file', parameters: { pool: 'shared', volumeType: 'file', 'csi.storage.k8s.io/fstype': 'xfs' } },
      { name: 'kayal-ext4', parameters: { pool: 'shared', volumeType: 'file', fsType: 'ext4' } },
      { name: 'kayal-readable', parameters: { pool: 'shared', pathPattern: pattern } },
      { name: 'kayal-late', ...late, ...pool('shared') },
      ...(node === undefined ? [] : [{ name: 'kayal-local', ...late, ...pool('local') }]),
    ],
    volumeSnapshotClasses: [{ name: 'kayal', default: true }],
    volumeAttributesClasses: [{ name: 'kept', parameters: { onDelete: 'archive', softLimitPercent: '80' } }],
    provisioner: {
      ...tag('csi-provisioner'),
      capacityPollInterval: '10s',
      // Kubernetes' own tests ask for it. The scheduler does not.
      extraArgs: ['--capacity-for-immediate-binding'],
    },
    resizer: tag('csi-resizer'),
    snapshotter: { ...tag('csi-snapshotter'), enabled: true },
    attacher: tag('csi-attacher'),
    controller: {
      podAnnotations,
      nodeSelector: controllerOn === undefined ? {} : { 'kubernetes.io/hostname': controllerOn },
    },
    node: { podAnnotations },
    otherKubeletDirs: [{ name: OTHER, kubeletDir: OTHER_KUBELET_DIR, nodeSelector: { [KUBELET_LABEL]: OTHER } }],
    attach: { enabled: attach },
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

/** Writes the chart's values. @returns their file */
export async function writeValues(cluster: Cluster, settings: Settings = {}): Promise<string> {
  const file = join(cluster.directory, 'values.yaml');
  await writeFile(file, JSON.stringify(valuesFor(cluster, settings), undefined, 2));
  return file;
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

/** Installs the chart, or another release of it: pods of the roles that it replaces by itself are made anew when something changed. */
export async function upgradeKayal(cluster: Cluster, settings: Settings = {}): Promise<void> {
  const values = await writeValues(cluster, settings);
  await helm(cluster, 'upgrade', '--install', 'kayal', CHART, `--namespace=${NAMESPACE}`, `--values=${values}`);
  await rolloutStatus(cluster.kubectl.in(NAMESPACE), CONTROLLER);
}

/** The same, and waits until it runs on all nodes. */
export async function changeKayal(cluster: Cluster, settings: Settings): Promise<void> {
  await upgradeKayal(cluster, settings);
  for (const role of NODE_ROLES) await rolloutStatus(cluster.kubectl.in(NAMESPACE), role);
  await waitForDriver(cluster);
}

/** The snapshot CRDs and their controller, then Kayal, by its chart; what is there already is brought up to date. */
export async function installKayal(cluster: Cluster): Promise<void> {
  const { kubectl } = cluster;
  await installSnapshots(cluster);
  for (const { name, kubeletDir } of cluster.workers) {
    if (kubeletDir === OTHER_KUBELET_DIR)
      await kubectl.do(['label', '--overwrite', `node/${name}`, `${KUBELET_LABEL}=${OTHER}`]);
  }
  const labels = { 'pod-security.kubernetes.io/enforce': 'privileged' };
  await kubectl.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE, labels } });
  await upgradeKayal(cluster);
  await waitForDriver(cluster);
}
