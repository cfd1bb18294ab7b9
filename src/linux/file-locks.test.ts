import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { flockHolders, parseFlocks } from './file-locks.js';

it('only locks that are held, exclusive, and of flock(2)', () => {
  const text = [
    '1: FLOCK  ADVISORY  WRITE 4711 fd:0a:131 0 EOF',
    '1: -> FLOCK  ADVISORY  WRITE 4712 fd:0a:131 0 EOF',
    '2: FLOCK  ADVISORY  READ 4713 fd:0a:131 0 EOF',
    '3: POSIX  ADVISORY  WRITE 4714 fd:0a:131 0 EOF',
    '4: OFDLCK ADVISORY  WRITE -1 fd:0a:131 0 EOF',
  ];
  expect(parseFlocks(text.join('\n'))).toEqual([{ pid: 4711, dev: '253:10', inode: '131' }]);
});

it('of a directory, as long as its process lives', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'lock-'));
  const child = spawn('flock', ['--no-fork', directory, 'cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    child.stdin.write('locked\n');
    await once(child.stdout, 'data');
    expect(await flockHolders(directory)).toEqual([child.pid]);
    expect(await flockHolders(tmpdir())).toEqual([]);
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  expect(await flockHolders(directory)).toEqual([]);
  await rm(directory, { recursive: true });
  await expect(flockHolders(directory)).rejects.toMatchObject({ code: 'ENOENT' });
});
