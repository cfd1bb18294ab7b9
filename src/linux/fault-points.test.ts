import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { withDirectory } from './testing.js';

/** A process whose io worker makes one file the way createFile does. */
const PROGRAM = `
  const { Worker } = require('node:worker_threads');
  const [script, root] = process.argv.slice(1);
  const worker = new Worker(script);
  const ask = (op, args) => new Promise((resolve) => {
    worker.once('message', resolve);
    worker.postMessage({ op, args });
  });
  new Promise((ready) => worker.once('message', ready))
    .then(() => ask('openRoot', [root]))
    .then(({ value }) => ask('createFile', [value.fd, 'temporary', 'record', Buffer.from('content')]))
    .then(({ value }) => { process.stdout.write(String(value)); process.exit(0); });
`;

const script = new URL('../../dist/io-worker.js', import.meta.url).pathname;

function run(root: string, faultPoints: string): { signal: string | null; output: string } {
  const { signal, stdout } = spawnSync(process.execPath, ['-e', PROGRAM, script, root], {
    env: { ...process.env, KAYAL_FAULT_POINTS: faultPoints },
    encoding: 'utf8',
  });
  return { signal, output: stdout };
}

// create, write, link, unlink: a point before and one after each.
const POINTS = 8;
const expected = [[], ['t'], ['t'], ['t'], ['t'], ['t', 'record'], ['t', 'record'], ['record']];

test('a process is killed at each of its fault points, and the file is whole or not there', async () => {
  await withDirectory(async (directory) => {
    const file = join(directory, 'points');
    for (let point = 1; point <= POINTS; point++) {
      const root = join(directory, String(point));
      mkdirSync(root);
      writeFileSync(file, String(point));
      expect(run(root, file)).toEqual({ signal: 'SIGKILL', output: '' });
      const names = readdirSync(root).map((name) => (name === 'temporary' ? 't' : name));
      expect(names.toSorted()).toEqual((expected[point - 1] ?? []).toSorted());
      if (existsSync(join(root, 'record'))) expect(readFileSync(join(root, 'record'), 'utf8')).toBe('content');
    }
    const root = join(directory, 'passed');
    mkdirSync(root);
    writeFileSync(file, String(POINTS + 1));
    expect(run(root, file)).toEqual({ signal: null, output: 'true' });
    expect(readFileSync(file, 'utf8')).toBe('1');
    expect(run(root, join(directory, 'missing'))).toEqual({ signal: null, output: 'false' });
  });
});
