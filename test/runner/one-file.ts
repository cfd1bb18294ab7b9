// Runs one file of tests in the mount namespace that it was started in: one-file.ts DIRECTORY FILE
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { countLeaks } from './leaks.js';
import { FILE_TIMEOUT_MS } from './long.js';
import { vitest } from './vitest-part.js';

const [directory = '', file = ''] = process.argv.slice(2);
const run = vitest(FILE_TIMEOUT_MS, ['--config', 'test/vitest.config.ts', file]);
// Not in the environment of this program: what it runs itself would count as left behind.
const env = { ...process.env, TMPDIR: directory };
const counts = await run({ directory, env, signal: new AbortController().signal });
const failed = counts.failed + (await countLeaks(file, directory));
await writeFile(join(directory, 'counts.json'), JSON.stringify({ ...counts, failed }));
