import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Driver, driverPaths, managedPool } from '../lib/driver.js';
import { ensureCsiSanity, runCsiSanity, VERSION, type SanityResult } from './csi-sanity.js';
import type { Spec } from './junit.js';
import { RUNS, type SanityRun } from './runs.js';
import { advertisedCapabilities, explainSkips, type Capability, type SkipReport } from './skips.js';

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

interface Outcome {
  readonly result: SanityResult;
  readonly advertised: ReadonlySet<Capability>;
}

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** `kayal all` with a real replica-3 pool, and the suite on its socket. */
async function runOnDriver(program: string, directory: string, { env, flags }: SanityRun): Promise<Outcome> {
  const driver = await Driver.start({ directory, pools: [await managedPool(directory, 'sanity')], env });
  try {
    const advertised = await advertisedCapabilities(driver.client);
    const { kubeletDir, socket } = driverPaths(directory);
    const suite = join(kubeletDir, 'csi-sanity');
    await mkdir(suite);
    const result = await runCsiSanity({ program, endpoint: `unix://${socket}`, directory: suite, flags });
    return { result, advertised };
  } finally {
    await driver.stop();
  }
}

function names(specs: readonly Spec[]): string {
  return specs
    .map(({ name }) => `  ${name}`)
    .sort()
    .join('\n');
}

/** Sorted, as the suite runs its groups in another order each time. */
function printSkips({ explained, unexplained, pending }: SkipReport): void {
  for (const [capability, specs] of [...explained].sort(([a], [b]) => a.localeCompare(b))) {
    say(`skipped by the suite, as Kayal does not advertise ${capability}:\n${names(specs)}`);
  }
  if (pending.length > 0) say(`switched off in the suite itself:\n${names(pending)}`);
  for (const { name, message } of unexplained) say(`SKIPPED WITHOUT A REASON: ${name} (${message})`);
}

/** Runs the suite once; whatever it leaves out for another reason than the run's `mayLack` counts as failed. */
async function runOnce(program: string, run: SanityRun): Promise<Counts> {
  const directory = await mkdtemp(join(tmpdir(), 's-'));
  say(`csi-sanity ${VERSION}: ${run.title}`);
  const { result, advertised } = await runOnDriver(program, directory, run);
  const skips = explainSkips(result.specs, advertised);
  const failed = result.specs.filter(({ status }) => status === 'failed');
  const lacking = [...skips.explained.keys()].filter((capability) => !run.mayLack.includes(capability));
  printSkips(skips);
  for (const { name, message } of failed) say(`FAILED: ${name}\n  ${message.replaceAll('\n', '\n  ')}`);
  for (const capability of lacking) say(`NOT ADVERTISED, AND IT SHOULD BE: ${capability}`);
  say(`csi-sanity ${VERSION}: ${run.title}: ${result.summary}`);
  const counts = {
    passed: result.specs.filter(({ status }) => status === 'passed').length,
    failed:
      failed.length + skips.unexplained.length + lacking.length + (result.exitCode === 0 || failed.length > 0 ? 0 : 1),
    skipped: [...skips.explained.values()].flat().length + skips.pending.length,
  };
  if (counts.failed === 0 && counts.passed > 0) return counts;
  say(`logs: ${result.log}, ${driverPaths(directory).log}`);
  return { ...counts, failed: Math.max(1, counts.failed) };
}

async function main(): Promise<number> {
  const program = await ensureCsiSanity();
  const only = process.argv.slice(2);
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const run of RUNS.filter(({ name }) => only.length === 0 || only.includes(name))) {
    const { passed, failed, skipped } = await runOnce(program, run);
    total.passed += passed;
    total.failed += failed;
    total.skipped += skipped;
  }
  const countsFile = process.env['KAYAL_TEST_COUNTS'];
  if (countsFile !== undefined) await writeFile(countsFile, JSON.stringify(total));
  return total.failed > 0 || total.passed === 0 ? 1 : 0;
}

process.exitCode = await main();
