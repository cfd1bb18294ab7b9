import { tmpdir } from 'node:os';
import { expect, it } from 'vitest';
import { glusterVersion } from '../../src/gluster/version.js';
import { runInTrixie } from '../environments/trixie.js';
import { runCommand } from '../lib/run-command.js';

const PROJECT = process.cwd();
/** The first run on a machine makes the root directory. */
const TIMEOUT_MS = 20 * 60_000;
const COMMAND = [
  process.execPath,
  'node_modules/vitest/vitest.mjs',
  'run',
  '--config=test/gluster/vitest.inside.config.ts',
] as const;

it('keeps limits with simple quota, on GlusterFS 11', { timeout: TIMEOUT_MS }, async () => {
  const isHere = (await glusterVersion()).major >= 11;
  const [program, ...args] = COMMAND;
  const timeoutMs = TIMEOUT_MS - 30_000;
  const { code, stdout, stderr } = isHere
    ? await runCommand(program, args, { cwd: PROJECT, timeoutMs })
    : await runInTrixie({ command: COMMAND, cwd: PROJECT, share: [PROJECT, tmpdir()], timeoutMs });
  console.log(`${isHere ? 'here' : 'in Debian trixie'}:\n${stdout}${stderr}`);
  expect(code).toBe(0);
});
