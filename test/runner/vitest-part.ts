import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runStreaming } from './run-streaming.js';
import type { Counts } from './summary.js';
import { countsOfVitestReport } from './vitest-report.js';

export interface PartContext {
  /** Everything that a part makes lies below it; it is TMPDIR for what the part starts. */
  readonly directory: string;
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
}

export type Part = (context: PartContext) => Promise<Counts>;

export const NODE_MODULES_BIN = 'node_modules/.bin';

/** A run of vitest with the given arguments, its report among the files of the part. */
export function vitest(timeoutMs: number, args: readonly string[]): Part {
  return async (context) => {
    const report = join(context.directory, 'vitest.json');
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
    const code = await runStreaming(`${NODE_MODULES_BIN}/vitest`, ['run', ...args, ...reporters], {
      ...context,
      timeoutMs,
    });
    const counts = countsOfVitestReport(await readFile(report, 'utf8'));
    // vitest also fails on what happens outside of tests, such as an unhandled rejection.
    return code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
  };
}
