import { failedPrecondition, isErrno, unavailable } from '../base/errors.js';
import { machine } from './machine.js';

/** mkfs(8) writes a few MiB at most; a pool that takes longer for that hangs. */
const TIMEOUT_MS = 120_000;
const MAX_STDERR = 2_000;
const ENVIRONMENT: NodeJS.ProcessEnv = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
};

/**
 * For a file that has no blocks yet: nothing is written or discarded that is zero anyway. Blocks of 4096 bytes, also of small
 * ones; no share for root, who does not write there; and not the newest features, so that older kernels mount it.
 */
const ARGUMENTS: Readonly<Record<'ext4' | 'xfs', readonly string[]>> = {
  ext4: [
    'mkfs.ext4',
    '-q',
    '-F',
    '-b',
    '4096',
    '-m',
    '0',
    '-E',
    'nodiscard,assume_storage_prezeroed=1',
    '-O',
    '^orphan_file',
    '--',
  ],
  xfs: ['mkfs.xfs', '-q', '-K', '-i', 'nrext64=0', '-m', 'rmapbt=0'],
};

/**
 * Makes a filesystem in a file that is there and has its size.
 * @throws KayalError FAILED_PRECONDITION when the tools are not installed, UNAVAILABLE with what mkfs said, or when it takes
 *   more than two minutes (it may still be at work, and ends when the file's server answers)
 */
export async function makeFilesystem(file: string, fsType: 'ext4' | 'xfs'): Promise<void> {
  const [program = '', ...args] = ARGUMENTS[fsType];
  const stderr = await run(program, [...args, file]);
  if (stderr !== undefined) throw unavailable(`${program} failed: ${stderr}`);
}

/** @returns undefined when it ended well, else what it said */
function run(program: string, args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const child = machine.spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'], cwd: '/', env: ENVIRONMENT });
    let said = '';
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      child.stderr.destroy();
      child.unref();
      reject(unavailable(`${program} did not end within ${TIMEOUT_MS / 1000} s: the pool hangs; retry`));
    }, TIMEOUT_MS);
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-MAX_STDERR);
    });
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(
        isErrno(error, 'ENOENT')
          ? failedPrecondition(
              `${program} is not installed on this node: install e2fsprogs (1.47 or newer) and xfsprogs`,
              { cause: error },
            )
          : error,
      );
    });
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      resolve(code === 0 ? undefined : `${said.trim()} (${signal ?? `exit code ${code}`})`);
    });
  });
}
