import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runWithProjectQuota } from '../environments/project-quota.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The `project` mechanism on a real XFS: on this machine where its kernel has project quota, else in user-mode-linux. */
describe('project quota', () => {
  it('is exact to the block on replica 1, replica 3 and directory pools', async () => {
    const result = await runWithProjectQuota({
      directory: await mkdtemp(join(tmpdir(), 'pq-')),
      bricks: 5,
      brickMiB: 512,
      command: [process.execPath, '--import', 'tsx', 'test/project-quota/guest.ts'],
      cwd: ROOT,
      timeoutMs: 480_000,
    });
    console.log(`on ${result.where}:\n${result.output}`);
    expect(result.code).toBe(0);
    expect(result.output).toContain('ALL AS IT SHOULD BE');
  }, 600_000);
});
