import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mustRun, runCommand, type CommandResult } from '../lib/run-command.js';

/** GlusterFS 11, and what Kayal and its tests start. */
const PACKAGES = ['attr', 'glusterfs-client', 'glusterfs-server', 'libstdc++6', 'mount', 'procps', 'xfsprogs'];
/** In the name of the cached directory: another one after a change here. */
const EDITION = '1';
const BUILD_TIMEOUT_MS = 15 * 60_000;
const ENTER = fileURLToPath(new URL('enter-root.mjs', import.meta.url));

function cacheDirectory(): string {
  return process.env['KAYAL_TEST_CACHE'] ?? join(homedir(), '.cache', 'kayal-test');
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

/** What an interrupted run left; one that is younger than the longest run may still be going on. */
async function removeUnfinished(cache: string, prefix: string): Promise<void> {
  for (const name of await readdir(cache)) {
    if (!name.startsWith(prefix)) continue;
    const path = join(cache, name);
    const { mtimeMs } = await stat(path);
    if (Date.now() - mtimeMs > 2 * BUILD_TIMEOUT_MS) await rm(path, { recursive: true, force: true });
  }
}

/**
 * A root directory with Debian trixie and its GlusterFS 11. The first call on a machine makes it with debootstrap, which
 * takes minutes and some 450 MB; later ones find it in the cache (KAYAL_TEST_CACHE, default ~/.cache/kayal-test).
 * @throws Error with the end of debootstrap's output
 */
export async function trixieRoot(): Promise<string> {
  const cache = cacheDirectory();
  const root = join(cache, `trixie-${EDITION}`);
  if (await isDirectory(root)) return root;
  await mkdir(cache, { recursive: true });
  const prefix = `trixie-${EDITION}.unfinished-`;
  await removeUnfinished(cache, prefix);
  const unfinished = await mkdtemp(join(cache, prefix));
  try {
    const args = ['--variant=minbase', `--include=${PACKAGES.join(',')}`, 'trixie', unfinished];
    await mustRun('debootstrap', args, { timeoutMs: BUILD_TIMEOUT_MS });
    await rm(join(unfinished, 'var/cache/apt/archives'), { recursive: true, force: true });
    await chmod(unfinished, 0o755);
    await rename(unfinished, root).catch(async (error: unknown) => {
      // Another run was first.
      if (!(await isDirectory(root))) throw error;
    });
    return root;
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

export interface TrixieRun {
  readonly command: readonly [string, ...string[]];
  readonly cwd: string;
  /** Directories that are there at the same path as here; the program of Node.js is too. */
  readonly share: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

/**
 * Runs a command in Debian trixie: the same kernel and network, with mount and pid namespaces of its own, so that what it
 * mounts and starts ends with it.
 */
export async function runInTrixie({ command, cwd, share, env, timeoutMs }: TrixieRun): Promise<CommandResult> {
  const root = await trixieRoot();
  const plan = JSON.stringify({ root, share: [...share, process.execPath], command, cwd });
  const unshare = ['--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child'];
  return runCommand('unshare', [...unshare, '--', process.execPath, ENTER, plan], {
    env: { ...process.env, ...env },
    timeoutMs,
  });
}
