import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runWithProjectQuota } from '../environments/project-quota.js';

it('keeps limits on XFS, directly and below GlusterFS', { timeout: 600_000 }, async () => {
  const { where, code, output } = await runWithProjectQuota({
    directory: await mkdtemp(join(tmpdir(), 'pq-')),
    bricks: 2,
    brickMiB: 512,
    command: [
      process.execPath,
      'node_modules/vitest/vitest.mjs',
      'run',
      '--config=test/project-quota/vitest.inside.config.ts',
    ],
    cwd: process.cwd(),
    timeoutMs: 540_000,
  });
  console.log(`on ${where}:\n${output}`);
  expect(code).toBe(0);
});
