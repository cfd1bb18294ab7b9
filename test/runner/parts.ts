import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { FAULT_TABLE, formatFaults } from '../faults/fault-table.js';
import { CRASH_MATRIX } from '../lib/fault-file.js';
import { runCommand } from '../lib/run-command.js';
import { judgeKills } from './crash-matrix.js';
import { countsSchema, inLanes } from './lanes.js';
import { IS_LONG } from './long.js';
import { runStreaming } from './run-streaming.js';
import { sumOf, type Counts } from './summary.js';
import { NODE_MODULES_BIN, vitest, type Part } from './vitest-part.js';

const MINUTE = 60_000;

const one = (isPassed: boolean): Counts => ({ passed: isPassed ? 1 : 0, failed: isPassed ? 0 : 1, skipped: 0 });

/** A part that is one program: passed when it ends with 0. */
function command(program: string, ...args: readonly string[]): Part {
  return async (context) => one((await runStreaming(program, args, { ...context, timeoutMs: 5 * MINUTE })) === 0);
}

/** The tests of a folder, one file after the other. */
function onGluster(timeoutMs: number, folder: string): Part {
  return vitest(timeoutMs, ['--config', 'test/vitest.config.ts', folder]);
}

/**
 * What the tests that kill the driver have come to. With --long it fails when there is a place where none of them killed it;
 * else they visit a choice, and it tells what that left out.
 */
async function crashMatrix(file: string): Promise<Counts> {
  const { text, problems } = await judgeKills(await readFile(file, 'utf8').catch(() => ''));
  process.stdout.write(`\n${[text, ...problems].join('\n')}\n`);
  return IS_LONG ? one(problems.length === 0) : sumOf([]);
}

/** Ends with tables of what was done and seen. What takes long comes last, and one after the other: it uses the whole machine. */
const faults: Part = async (context) => {
  const table = join(context.directory, 'faults.jsonl');
  const matrix = join(context.directory, 'matrix.jsonl');
  const noted = { ...context, env: { ...context.env, [FAULT_TABLE]: table, [CRASH_MATRIX]: matrix } };
  const quick = await inLanes('test/faults')(noted);
  const counts = IS_LONG ? sumOf([quick, await inLanes('test/faults/long', 1)(noted)]) : quick;
  process.stdout.write(`\n${formatFaults(await readFile(table, 'utf8').catch(() => ''))}\n`);
  return sumOf([counts, await crashMatrix(matrix)]);
};

/** A program that writes its counts to the file that KAYAL_TEST_COUNTS names. */
function script(timeoutMs: number, module: string): Part {
  return async (context) => {
    const file = join(context.directory, 'counts.json');
    const env = { ...context.env, KAYAL_TEST_COUNTS: file };
    const code = await runStreaming(process.execPath, ['--import', 'tsx', module], { ...context, env, timeoutMs });
    if (!existsSync(file)) return one(false);
    const counts = v.parse(countsSchema, JSON.parse(await readFile(file, 'utf8')));
    return code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
  };
}

const demo: Part = (context) =>
  command(
    process.execPath,
    'scripts/demo.mjs',
  )({ ...context, env: { ...context.env, KAYAL_DEMO_DIR: context.directory } });

/** src/gen is checked in: what the generator makes of proto/ today must be what lies there. */
const generated: Part = async ({ directory, env, signal }) => {
  const fresh = join(directory, 'gen');
  await mkdir(fresh, { recursive: true });
  const code = await runStreaming(process.execPath, ['scripts/generate.mjs', fresh], {
    env,
    signal,
    timeoutMs: MINUTE,
  });
  const { code: difference, stdout, stderr } = await runCommand('diff', ['-rq', 'src/gen', fresh]);
  if (difference !== 0) process.stdout.write(`src/gen is not what "npm run generate" makes:\n${stdout}${stderr}`);
  return one(code === 0 && difference === 0);
};

/** In the order in which they run: the quick ones first. */
export const PARTS: Readonly<Record<string, Part>> = {
  build: command(process.execPath, 'scripts/build.mjs'),
  generated,
  format: command(`${NODE_MODULES_BIN}/prettier`, '--check', '--log-level', 'warn', '.'),
  lint: command(`${NODE_MODULES_BIN}/oxlint`, '--type-aware', '--deny-warnings'),
  types: command(`${NODE_MODULES_BIN}/tsc`, '--noEmit'),
  unit: vitest(5 * MINUTE, []),
  chart: vitest(20 * MINUTE, ['--config', 'test/vitest.config.ts', 'test/chart']),
  gluster: inLanes('test/gluster'),
  faults,
  measured: onGluster(10 * MINUTE, 'test/measured'),
  // That the benchmark works; what it says is for npm run bench.
  bench: inLanes('test/bench', 1),
  demo,
  sanity: script(10 * MINUTE, 'test/sanity/main.ts'),
  // Each in a guest with one processor.
  'project-quota': inLanes('test/project-quota', 2),
};
