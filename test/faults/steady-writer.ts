import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import { waitFor } from '../lib/wait.js';

const PROGRAM = fileURLToPath(new URL('steady-writer.mjs', import.meta.url));

const reportSchema = v.object({
  acknowledged: v.number(),
  errors: v.record(v.string(), v.number()),
  longestMs: v.number(),
});
/** What a writer was told so far; `longestMs` is how long one line took at the most. */
export type WriterReport = v.InferOutput<typeof reportSchema>;

export interface SteadyWriter {
  report(): Promise<WriterReport>;
  /** Waits until it was told that some more lines are safe. */
  goesOn(lines?: number): Promise<void>;
  /** Ends it, and says what it was told in all. */
  stop(): Promise<WriterReport>;
  kill(): void;
}

/** A process that writes a line after the other, each to stable storage, and notes what it was told. */
export async function startSteadyWriter(file: string, reportFile: string): Promise<SteadyWriter> {
  const child = spawn(process.execPath, [PROGRAM, file, reportFile], { stdio: 'inherit' });
  const report = async (): Promise<WriterReport> =>
    v.parse(reportSchema, JSON.parse(await readFile(reportFile, 'utf8')));
  const goesOn = async (lines = 5): Promise<void> => {
    const { acknowledged } = await report();
    await waitFor(
      `${lines} more lines in ${file}`,
      async () => ((await report()).acknowledged >= acknowledged + lines ? true : undefined),
      { timeoutMs: 90_000 },
    );
  };
  await waitFor('the first line', async () => {
    const told = await report().catch(() => undefined);
    return told !== undefined && told.acknowledged > 0 ? true : undefined;
  });
  return {
    report,
    goesOn,
    stop: async () => {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
      return report();
    },
    kill: () => child.kill('SIGKILL'),
  };
}

/** The acknowledged lines that are not in the file. */
export function lostLines(content: string, acknowledged: number): number[] {
  const lines = new Set(content.split('\n'));
  return Array.from({ length: acknowledged }, (_, index) => index + 1).filter((line) => !lines.has(String(line)));
}
