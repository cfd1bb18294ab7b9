import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { mustRun } from './run-command.js';
import { startedProcesses } from './started-processes.js';

it('knows of a process that runs, and of one that has long ended', async () => {
  const before = await startedProcesses(process.pid);
  const child = spawn('sleep', ['60']);
  await once(child, 'spawn');
  expect((await startedProcesses(process.pid)).children).toContain(child.pid);
  child.kill();
  await once(child, 'exit');
  const after = await startedProcesses(process.pid);
  expect(after.faultsOfEnded).toBeGreaterThan(before.faultsOfEnded);
  // The smallest program there is.
  await mustRun('true', []);
  expect((await startedProcesses(process.pid)).faultsOfEnded).toBeGreaterThan(after.faultsOfEnded);
});

it('takes no thread for a process', async () => {
  const before = await startedProcesses(process.pid);
  const worker = new Worker('', { eval: true });
  await once(worker, 'exit');
  expect(await startedProcesses(process.pid)).toEqual(before);
});
