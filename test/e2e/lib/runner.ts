import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../../src/base/errors.js';
import type { Cluster } from '../cluster/cluster.js';
import { NotYet, type Check } from './check.js';

/** Most of a check is waiting for Kubernetes. */
const AT_ONCE = 3;

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly notYet: number;
}

type Outcome = 'passed' | 'failed' | 'not yet';

function say(outcome: Outcome, name: string, ms: number, text = ''): void {
  const mark = { passed: 'ok     ', failed: 'FAILED ', 'not yet': 'not yet' }[outcome];
  const seconds = (ms / 1_000).toFixed(1).padStart(6);
  const detail = text === '' ? '' : `\n${text.replaceAll(/^/gm, '          ')}`;
  process.stdout.write(`${mark} ${seconds} s  ${name}${detail}\n`);
}

/** The message of an error, and of those that caused it. */
function whole(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? `: ${whole(error.cause)}` : '';
  return `${messageOf(error)}${cause}`;
}

/** What kubectl says of the namespace of a check that failed. */
async function keepNamespace(cluster: Cluster, namespace: string): Promise<void> {
  const directory = join(cluster.directory, 'failed');
  await mkdir(directory, { recursive: true });
  const kubectl = cluster.kubectl.in(namespace);
  const texts = [
    await kubectl.run(['get', 'all,pvc,events', '--output=wide']),
    await kubectl.run(['describe', 'pods,pvc']),
  ];
  await writeFile(join(directory, `${namespace}.txt`), texts.map(({ stdout }) => stdout).join('\n'));
}

async function runCheck(cluster: Cluster, check: Check, number: number): Promise<Outcome> {
  const namespace = `check-${number}`;
  const started = performance.now();
  const kubectl = cluster.kubectl.in(namespace);
  let outcome: Outcome = 'passed';
  let text = '';
  try {
    await cluster.kubectl.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
    await check.run({ cluster, kubectl, namespace });
  } catch (error) {
    outcome = error instanceof NotYet ? 'not yet' : 'failed';
    text = whole(error);
    if (outcome === 'failed') await keepNamespace(cluster, namespace).catch(() => undefined);
  }
  say(outcome, check.name, performance.now() - started, text);
  // Its end is not waited for: what a check leaves goes while the next ones run.
  await cluster.kubectl.run(['delete', 'namespace', namespace, '--wait=false']);
  return outcome;
}

/** Runs all, some at a time, those that need the cluster for themselves last. */
export async function runChecks(cluster: Cluster, checks: readonly Check[], signal: AbortSignal): Promise<Counts> {
  const outcomes: Outcome[] = [];
  let number = 0;
  const runSome = async (queue: Check[]): Promise<void> => {
    for (let check = queue.shift(); check !== undefined && !signal.aborted; check = queue.shift())
      outcomes.push(await runCheck(cluster, check, ++number));
  };
  const together = checks.filter(({ isAlone = false }) => !isAlone);
  const queue = [...together];
  await Promise.all(Array.from({ length: AT_ONCE }, () => runSome(queue)));
  await runSome(checks.filter(({ isAlone = false }) => isAlone));
  const count = (outcome: Outcome): number => outcomes.filter((one) => one === outcome).length;
  return { passed: count('passed'), failed: count('failed'), notYet: count('not yet') };
}
