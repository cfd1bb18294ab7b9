import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../../src/base/errors.js';
import { ensureHelm } from '../../chart/helm.js';
import { findEarlierRuns, removeRun, RunDirectory } from '../../lib/run-directory.js';
import { Cluster, describeMachine, findRemains, removeCluster } from '../cluster/cluster.js';
import { ensureImages } from '../cluster/images.js';
import { installKayal, NAMESPACE } from '../cluster/install.js';
import { ensureTools } from '../tools/tools.js';

/** On disk, and short: sockets below it have 107 bytes (unix(7)). */
const BASE = process.env['KAYAL_E2E_DIR'] ?? '/var/tmp/kayal-e2e';
const STARTED = performance.now();

/** A line with the seconds since the start. */
export function say(text: string): void {
  const seconds = ((performance.now() - STARTED) / 1_000).toFixed(0);
  process.stdout.write(`[${seconds} s] ${text}\n`);
}

/** One cluster at a time: they would have the same addresses. Takes away what earlier runs left, on purpose or not. */
export async function removeEarlierRuns(): Promise<void> {
  const { crashed, kept } = await findEarlierRuns(BASE);
  const paths = [...crashed, ...kept];
  if (paths.length === 0) return;
  say(`removing the cluster of an earlier run: ${paths.join(', ')}`);
  await removeCluster(...paths);
  for (const path of paths) await removeRun(path);
}

/** @throws Error when another run is going on */
async function requireNoOtherRun(): Promise<void> {
  const [name] = await readdir(BASE).catch((): string[] => []);
  if (name !== undefined) throw new Error(`another run is going on, in ${join(BASE, name)}`);
}

async function startCluster(run: RunDirectory, { signal, keep, builtImages }: SessionOptions): Promise<Cluster> {
  const tools = await ensureTools();
  await ensureHelm();
  const archives = await ensureImages(run.path, tools, keep || builtImages);
  signal.throwIfAborted();
  say('tools and images are there');
  const cluster = await Cluster.start(run.path, tools, archives);
  say(`${cluster.workers.length} nodes of Kubernetes ${tools.kubernetes} are ready`);
  return cluster;
}

/** What containers and machines said; the services' own logs lie beside it. */
async function keepLogs(cluster: Cluster): Promise<void> {
  const directory = join(cluster.directory, 'logs');
  await mkdir(directory, { recursive: true });
  const kubectl = cluster.kubectl.in(NAMESPACE);
  const pods = (await kubectl.run(['get', 'pods', '--output=name'])).stdout.trim().split('\n').filter(Boolean);
  for (const pod of pods) {
    const { stdout } = await kubectl.run(['logs', pod, '--all-containers', '--prefix', '--tail=-1']);
    await writeFile(join(directory, `${pod.replace('/', '-')}.log`), stdout);
  }
  for (const machine of cluster.machines)
    await writeFile(join(directory, `${machine.name}.txt`), await describeMachine(machine));
}

function explainKept(cluster: Cluster): string {
  return [
    '',
    `The cluster stays up, in ${cluster.directory}:`,
    `  export KUBECONFIG=${cluster.kubeconfig} PATH=$PATH:${join(cluster.tools.program('kubectl'), '..')}`,
    '  kubectl get pods --all-namespaces',
    'A program on one of its machines (node1, node2, node3, gluster, control):',
    ...cluster.machines.map((machine) => `  ${machine.name}: ${machine.enter(['sh']).flat().join(' ')}`),
    'npm run e2e -- --again runs the checks on it, npm run e2e -- --stop takes it away.',
    '',
  ].join('\n');
}

export interface SessionOptions {
  /** Leave the cluster up. */
  readonly keep: boolean;
  /** Have the images of the examples; a cluster that stays up has them in any case. */
  readonly builtImages: boolean;
  /** Take the cluster that an earlier run left, with the chart as it is now. */
  readonly again: boolean;
  readonly signal: AbortSignal;
  /** @returns whether all was as it should be: logs are kept otherwise */
  readonly use: (cluster: Cluster) => Promise<boolean>;
}

async function onKept(): Promise<Cluster> {
  const [path] = (await findEarlierRuns(BASE)).kept;
  if (path === undefined) throw new Error('there is no cluster; make one with npm run e2e -- --keep');
  return Cluster.attach(path, await ensureTools());
}

async function installAndUse(cluster: Cluster, { use }: SessionOptions): Promise<boolean> {
  let isGood = false;
  try {
    await installKayal(cluster);
    say('Kayal is installed');
    isGood = await use(cluster);
  } finally {
    if (!isGood) await keepLogs(cluster).catch((error: unknown) => say(`no logs: ${messageOf(error)}`));
  }
  return isGood;
}

/** Makes a cluster with Kayal, uses it, and takes it away. @returns what `use` returned */
export async function withCluster(options: SessionOptions): Promise<boolean> {
  if (options.again) return installAndUse(await onKept(), options);
  await removeEarlierRuns();
  await requireNoOtherRun();
  const run = await RunDirectory.create(BASE);
  let cluster: Cluster | undefined;
  let isGood = false;
  try {
    cluster = await startCluster(run, options);
    isGood = await installAndUse(cluster, options);
  } finally {
    if (options.keep && cluster !== undefined) {
      await run.markKept();
      process.stdout.write(explainKept(cluster));
    } else {
      await (cluster === undefined ? removeCluster(run.path) : cluster.stop());
      const remains = await findRemains(run.path);
      if (remains.length > 0) say(`FAILED: the cluster has left behind\n${remains.join('\n')}`);
      isGood &&= remains.length === 0;
      if (isGood) await run.remove();
      else say(`logs of all components are in ${run.path}; the next run deletes them`);
    }
  }
  return isGood;
}
