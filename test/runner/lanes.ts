import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import { runStreaming } from './run-streaming.js';
import { sumOf, type Counts } from './summary.js';
import type { Part, PartContext } from './vitest-part.js';

/** These tests wait more than they compute. */
const LANES = 3;
const TIMEOUT_MS = 20 * 60_000;

export const countsSchema = v.object({ passed: v.number(), failed: v.number(), skipped: v.number() });

let started = 0;

/**
 * Each file in a mount namespace of its own: otherwise what one test starts in a namespace that it makes (a container,
 * another host) would hold on to what another one has mounted just then.
 */
async function runFile(file: string, { directory, env, signal }: PartContext): Promise<Counts> {
  // Beside the part's directory and not in it: paths of sockets are short (unix(7)).
  const own = join(dirname(directory), String(++started));
  await mkdir(own);
  const program = [process.execPath, '--import', 'tsx', 'test/runner/one-file.ts', own, file];
  const context = { env, signal, timeoutMs: TIMEOUT_MS };
  await runStreaming('unshare', ['--mount', '--propagation', 'private', '--', ...program], context);
  const report = join(own, 'counts.json');
  if (!existsSync(report)) return { passed: 0, failed: 1, skipped: 0 };
  return v.parse(countsSchema, JSON.parse(await readFile(report, 'utf8')));
}

/** The tests of a folder, several files at a time. */
export function inLanes(folder: string): Part {
  return async (context) => {
    const files = (await readdir(folder)).filter((name) => name.endsWith('.test.ts')).sort();
    const queue = files.values();
    const results: Counts[] = [];
    const lane = async (): Promise<void> => {
      for (const file of queue) results.push(await runFile(join(folder, file), context));
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    return sumOf(results);
  };
}
