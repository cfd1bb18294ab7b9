import { RunDirectory, findEarlierRuns, removeRun } from '../test/lib/run-directory.js';
import { mountMemoryDisk } from '../test/runner/memory-disk.js';
import { BenchUsageError, parseOptions, USAGE, type BenchOptions } from './options.js';
import { FULL, QUICK } from './plan.js';
import { regressions } from './report/baseline.js';
import { readResults } from './report/results.js';
import { writeReport } from './report/write.js';
import { MEASURES, run } from './run.js';

/** Short; see RunDirectory. */
const BASE = process.env['KAYAL_BENCH_DIR'] ?? '/var/tmp/kayal-bench';
/** A pool of three bricks holds a file of 1 GiB three times, and a floor's copy of it. */
const DISK = { sizeMiB: 8 * 1024, neededMiB: 12 * 1024 };

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function measure(options: BenchOptions): Promise<void> {
  const { crashed } = await findEarlierRuns(BASE);
  for (const path of crashed) await removeRun(path);
  const directory = await RunDirectory.create(BASE);
  const cleanUp = (): Promise<void> => directory.remove();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void cleanUp().finally(() => process.exit(130)));
  }
  try {
    say(`everything lies in ${directory.path}, on ${await mountMemoryDisk(directory.path, DISK)}`);
    const standard = options.quick ? QUICK : FULL;
    const { only, pools, peers, out, saveBaseline } = options;
    const plan = { ...standard, rounds: options.rounds ?? standard.rounds };
    const figures = await run({ plan, directory: `${directory.path}/b`, only, pools, peers, say });
    const baseline = await readResults('docs/benchmarks/baseline.json');
    for (const line of regressions(figures, baseline?.figures ?? [])) say(`WARNING: slower than the baseline: ${line}`);
    await writeReport({ directory: out, measures: MEASURES, figures, saveBaseline });
    say(`written to ${out}`);
  } finally {
    await cleanUp();
  }
}

try {
  const names = MEASURES.map(({ name }) => name);
  await measure(parseOptions(process.argv.slice(2), names));
} catch (error) {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  say(error instanceof BenchUsageError ? `${error.message}\n\n${USAGE}` : text);
  process.exitCode = error instanceof BenchUsageError ? 2 : 1;
}
