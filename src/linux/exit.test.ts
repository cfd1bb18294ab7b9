import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { withDirectory, withHungMount } from './testing.js';

const PROGRAM = `
  import { Worker } from 'node:worker_threads';
  import { exitNow } from ${JSON.stringify(new URL('exit.ts', import.meta.url))};
  const worker = new Worker(new URL(${JSON.stringify(new URL('../../dist/io-worker.js', import.meta.url))}), { execArgv: [] });
  worker.postMessage({ op: 'openRoot', args: [process.argv.at(-1)] });
  setTimeout(() => exitNow(7), 300);
`;

test('a process ends although a thread of it hangs', async () => {
  await withDirectory(async (directory) =>
    withHungMount(directory, async () => {
      const args = ['--import', 'tsx', '--input-type=module', '--eval', PROGRAM, directory];
      const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 10_000 });
      expect({ status, stderr }).toEqual({ status: 7, stderr: '' });
      return Promise.resolve();
    }),
  );
});
