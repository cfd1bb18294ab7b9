import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import { FILE_TIMEOUT_MS } from './long.js';
import { removeDirectory } from '../lib/run-directory.js';
import { runStreaming } from './run-streaming.js';
import { slowFirst } from './slow-files.js';
import { sumOf, type Counts } from './summary.js';
import type { Part, PartContext } from './vitest-part.js';

/** These tests wait more than they compute. */
const LANES = 3;
/** For what a file's tests need around them. */
const MARGIN_MS = 60_000;

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
  const context = { env, signal, timeoutMs: FILE_TIMEOUT_MS + MARGIN_MS };
  await runStreaming('unshare', ['--mount', '--propagation', 'private', '--', ...program], context);
  const report = join(own, 'counts.json');
  if (!existsSync(report)) return { passed: 0, failed: 1, skipped: 0 };
  const counts = v.parse(countsSchema, JSON.parse(await readFile(report, 'utf8')));
  if (counts.failed === 0) await removeDirectory(own);
  return counts;
}

/**
 * The tests of a folder, several files at a time (`lanes`). A file that fails beside others is run once more, alone, and that
 * counts: on a machine with two processors a deadline may pass that a call would have kept. It is said which ones did.
 */
export function inLanes(folder: string, lanes = LANES): Part {
  return async (context) => {
    const names = slowFirst((await readdir(folder)).filter((name) => name.endsWith('.test.ts')));
    const results = new Map<string, Counts>();
    const queue = names.values();
    const lane = async (): Promise<void> => {
      for (const name of queue) results.set(name, await runFile(join(folder, name), context));
    };
    await Promise.all(Array.from({ length: lanes }, lane));
    const failed = lanes === 1 ? [] : names.filter((name) => (results.get(name)?.failed ?? 1) > 0);
    for (const name of failed) {
      process.stdout.write(`\n${folder}/${name} failed beside others; once more, alone:\n`);
      results.set(name, await runFile(join(folder, name), context));
    }
    for (const name of failed) {
      const verdict = (results.get(name)?.failed ?? 1) > 0 ? 'failed again' : 'passed alone';
      process.stdout.write(`${folder}/${name} failed beside others and ${verdict}\n`);
    }
    return sumOf([...results.values()]);
  };
}
