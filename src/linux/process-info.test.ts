import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import {
  bootId,
  commandLine,
  isProcessAlive,
  machineId,
  ownIdentity,
  pidNamespace,
  startTimeOf,
} from './process-info.js';

test('this process', async () => {
  const own = await ownIdentity();
  expect(own.pid).toBe(process.pid);
  expect(own.bootId).toMatch(/^[0-9a-f-]{36}$/);
  expect(own.bootId).toBe(await bootId());
  expect(own.machineId).toBe((await machineId()) ?? '');
  expect(own.pidNamespace).toMatch(/^pid:\[\d+\]$/);
  expect(own.pidNamespace).toBe(await pidNamespace());
  expect(await isProcessAlive(own.pid, own.startTime)).toBe(true);
  expect(await isProcessAlive(own.pid, '1')).toBe(false);
  expect(await commandLine(process.pid)).toContain(process.execPath);
});

test('a process with an awkward name, and after its end', async () => {
  const child = spawn('bash', ['-c', 'printf ") R 1 (" > /proc/self/comm; read -r', 'a b', ''], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const pid = child.pid ?? 0;
  const startTime = await startTimeOf(pid);
  expect(startTime).toMatch(/^\d+$/);
  expect(await commandLine(pid)).toEqual(['bash', '-c', expect.any(String), 'a b', '']);
  expect(await isProcessAlive(pid, startTime ?? '')).toBe(true);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(await isProcessAlive(pid, startTime ?? '')).toBe(false);
  expect(await startTimeOf(pid)).toBeUndefined();
  expect(await commandLine(pid)).toBeUndefined();
});
