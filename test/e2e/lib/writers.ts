import { readFile } from 'node:fs/promises';
import * as v from 'valibot';
import { waitFor } from '../../lib/wait.js';
import { expectEqual } from './check.js';
import type { Kubectl, Manifest } from './kubectl.js';
import { claim, pod } from './objects.js';

/**
 * Appends a number to its file about four times a second, on stable storage before it says so in /tmp/written and when in
 * /tmp/times; what fails is in /tmp/errors.
 */
const WRITER = `
trap 'exit 0' TERM
n=0
while :; do
  n=$((n + 1))
  if echo $n | dd of=/data/$HOSTNAME oflag=append conv=notrunc,fsync 2> /tmp/last; then
    echo $n >> /tmp/written
    cut -d ' ' -f 1 /proc/uptime >> /tmp/times
  else
    cat /tmp/last >> /tmp/errors
  fi
  sleep 0.2
done
`;

/** A pod that writes to the claim `data`, on a node. */
export function writer(node: string): Manifest {
  return pod({ name: `on-${node}`, claim: 'data', node, script: WRITER });
}

export async function startWriters(kubectl: Kubectl, nodes: readonly string[]): Promise<void> {
  await kubectl.apply(claim({ name: 'data' }), ...nodes.map((node) => writer(node)));
  for (const node of nodes) await kubectl.wait(`pod/on-${node}`, 'condition=Ready');
  // A pause is measured from a write that was before it.
  for (const node of nodes) await waitFor(`the first write on ${node}`, () => hasWritten(kubectl, node));
}

async function hasWritten(kubectl: Kubectl, node: string): Promise<true | undefined> {
  return (await written(kubectl, node)) > 0 ? true : undefined;
}

async function written(kubectl: Kubectl, node: string): Promise<number> {
  return Number((await kubectl.mustSh(`on-${node}`, 'tail -n 1 /tmp/written || echo 0')) || '0');
}

/** @throws Error when the writer does not go on within a minute */
export async function expectProgress(kubectl: Kubectl, node: string): Promise<void> {
  const before = await written(kubectl, node);
  await waitFor(
    `the writer on ${node} to go on`,
    async () => ((await written(kubectl, node)) > before + 3 ? true : undefined),
    { timeoutMs: 60_000, intervalMs: 500 },
  );
}

export async function expectNoErrors(kubectl: Kubectl, node: string): Promise<void> {
  expectEqual(await kubectl.mustSh(`on-${node}`, 'cat /tmp/errors 2> /dev/null || true'), '', `what failed on ${node}`);
}

const podSchema = v.looseObject({
  status: v.looseObject({ containerStatuses: v.array(v.looseObject({ restartCount: v.number() })) }),
});

export async function expectNoRestart(kubectl: Kubectl, node: string): Promise<void> {
  const { status } = await kubectl.get(podSchema, `pod/on-${node}`);
  expectEqual(status.containerStatuses[0]?.restartCount, 0, `the number of restarts of the writer on ${node}`);
}

/** Every line that the writer was told to be safe is in its file, as a pod on another node sees it. */
export async function expectNothingLost(kubectl: Kubectl, node: string, reader: string): Promise<void> {
  const own = `on-${node}`;
  const count = await kubectl.mustSh(own, 'cp /tmp/written /data/claimed && sync && wc -l < /data/claimed');
  const missing = `sort -u /data/${own} > /tmp/a && sort -u /data/claimed | while read n; do grep -qx $n /tmp/a || echo $n; done`;
  expectEqual(await kubectl.mustSh(`on-${reader}`, missing), '', `what is missing of ${count} lines`);
}

/** Seconds since the start of this machine, which the writers' times are too. */
export async function uptime(): Promise<number> {
  return Number((await readFile('/proc/uptime', 'utf8')).split(' ')[0]);
}

/** @returns the longest time between two writes, in seconds, of those that ended after `since` */
export async function longestPause(kubectl: Kubectl, node: string, since: number): Promise<number> {
  const script = '$1 >= since && p > 0 && $1 - p > longest { longest = $1 - p } { p = $1 } END { print longest + 0 }';
  return Number(await kubectl.mustSh(`on-${node}`, `awk -v since=${since} '${script}' /tmp/times`));
}
