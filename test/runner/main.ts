import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../src/base/errors.js';
import { findEarlierRuns, removeDirectory, removeRun, RunDirectory } from '../lib/run-directory.js';
import { countLeaks } from './leaks.js';
import { mountMemoryDisk } from './memory-disk.js';
import { PARTS } from './parts.js';
import { formatSummary, sumOf, type Counts, type PartResult } from './summary.js';
import type { Part } from './vitest-part.js';

/** Short; see RunDirectory. */
const BASE = process.env['KAYAL_TEST_DIR'] ?? '/var/tmp/kayal-test';

const aborter = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => aborter.abort(new Error(`${signal} came`)));

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function removeCrashedRuns(): Promise<void> {
  const { crashed } = await findEarlierRuns(BASE);
  for (const path of crashed) {
    say(`removing what an earlier run left: ${path}`);
    await removeRun(path);
  }
}

async function runPart(name: string, part: Part, run: RunDirectory): Promise<PartResult> {
  say(`\n=== ${name}`);
  const started = performance.now();
  const directory = join(run.path, name);
  await mkdir(directory);
  let counts: Counts;
  try {
    counts = await part({ directory, env: { ...process.env, TMPDIR: directory }, signal: aborter.signal });
  } catch (error) {
    say(`${name}: ${messageOf(error)}`);
    counts = { passed: 0, failed: 1, skipped: 0 };
  }
  const failed = counts.failed + (await countLeaks(name, directory));
  // What lies in memory is not to grow from part to part; logs are of use after a failure only.
  if (failed === 0) await removeDirectory(directory);
  return { ...counts, name, failed, durationMs: performance.now() - started };
}

async function main(names: readonly string[]): Promise<number> {
  await removeCrashedRuns();
  const run = await RunDirectory.create(BASE);
  say(`everything lies in ${run.path}, on ${await mountMemoryDisk(run.path)}`);
  const results: PartResult[] = [
    { name: 'setup', passed: 0, failed: 0, skipped: 0, durationMs: Number(process.env['KAYAL_TEST_SETUP_MS'] ?? 0) },
  ];
  for (const [name, part] of Object.entries(PARTS)) {
    if (!names.includes(name) || aborter.signal.aborted) continue;
    results.push(await runPart(name, part, run));
  }
  const { failed } = sumOf(results);
  const isGood = failed === 0 && !aborter.signal.aborted;
  if (isGood) await run.remove();
  else say(`\nlogs are in ${run.path}; the next run deletes them`);
  say(`\n${formatSummary(results).trimEnd()}`);
  if (aborter.signal.aborted) return 130;
  return isGood ? 0 : 1;
}

const asked = process.argv.slice(2);
process.exitCode = await main(asked.length > 0 ? asked : Object.keys(PARTS));
