import { createWriteStream } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseJunit, type Spec } from '../../sanity/junit.js';
import type { Cluster } from '../cluster/cluster.js';
import { ensureSuite } from '../tools/tools.js';

const HERE = fileURLToPath(new URL('.', import.meta.url));
/** Driver files beside this one. */
export const DRIVERS = ['filesystem', 'block'] as const;
export type Driver = (typeof DRIVERS)[number];

/** Most of a spec is waiting. */
const PROCESSES = 8;
/** ginkgo's own is an hour. */
const TIMEOUT = '4h';

export interface SuiteOptions {
  readonly driver: Driver;
  /** Regular expressions on the names of specs. */
  readonly focus: string;
  readonly skip: string;
  readonly signal: AbortSignal;
}

/** Runs External.Storage of Kubernetes' own tests. @returns the specs that the driver file makes it choose */
export async function runSuite(cluster: Cluster, options: SuiteOptions): Promise<readonly Spec[]> {
  const directory = join(cluster.directory, 'suite', options.driver);
  await mkdir(directory, { recursive: true });
  const suite = await ensureSuite();
  const report = 'junit.xml';
  const args = [
    `--procs=${PROCESSES}`,
    `--timeout=${TIMEOUT}`,
    '--no-color',
    `--focus=${options.focus}`,
    `--skip=${options.skip}`,
    `--output-dir=${directory}`,
    `--junit-report=${report}`,
    suite.tests,
    '--',
    `-kubeconfig=${cluster.kubeconfig}`,
    `-storage.testdriver=${join(HERE, `${options.driver}.yaml`)}`,
    '-provider=local',
    '-allowed-not-ready-nodes=-1',
  ];
  const log = createWriteStream(join(directory, 'suite.log'));
  const child = spawn(suite.ginkgo, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  // The suite takes away what its specs made.
  const interrupt = (): boolean => child.kill('SIGINT');
  options.signal.addEventListener('abort', interrupt);
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => resolve());
  });
  options.signal.removeEventListener('abort', interrupt);
  log.end();
  options.signal.throwIfAborted();
  const specs = parseJunit(await readFile(join(directory, report), 'utf8'));
  // A spec that was not asked for is skipped without a reason.
  return specs.filter(({ status, message }) => status !== 'skipped' || (message !== '' && message !== 'skipped'));
}
