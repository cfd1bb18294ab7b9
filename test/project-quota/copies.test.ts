import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runWithProjectQuota } from '../environments/project-quota.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Snapshots and clones that share blocks, on a replicated pool with real limits. */
describe('copies with project quota', () => {
  it('share their blocks on every brick, within their limits, and never differ from brick to brick', async () => {
    const result = await runWithProjectQuota({
      directory: await mkdtemp(join(tmpdir(), 'pc-')),
      bricks: 3,
      brickMiB: 8192,
      command: [process.execPath, '--import', 'tsx', 'test/project-quota/copies.guest.ts'],
      cwd: ROOT,
      timeoutMs: 540_000,
    });
    console.log(`on ${result.where}:\n${result.output}`);
    expect(result.code).toBe(0);
    expect(result.output).toContain('ALL AS IT SHOULD BE');
  }, 600_000);
});
