// What must be on the machine before anything else of the project can run. Plain Node.js: nothing is installed yet.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const OLDEST_NODE = [20, 19];
const OLDEST_GO = [1, 25];

/** Something that the person at the keyboard has to do; shown without a stack. */
export class SetupError extends Error {}

function isAtLeast([major, minor], [oldestMajor, oldestMinor]) {
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor);
}

/** Runs a program that must succeed, with its output on the terminal. */
export function run(program, args, env = {}) {
  console.log(`> ${program} ${args.join(' ')}`);
  const { status, error } = spawnSync(program, args, { stdio: 'inherit', env: { ...process.env, ...env } });
  if (error !== undefined) throw new SetupError(`${program} cannot be started: ${error.message}`);
  if (status !== 0) throw new SetupError(`${program} ${args.join(' ')} failed (exit code ${status})`);
}

/** Runs a program that must succeed. @returns what it printed, trimmed */
export function capture(program, args) {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (error !== undefined) throw new SetupError(`${program} cannot be started: ${error.message}`);
  if (status !== 0) throw new SetupError(`${program} ${args.join(' ')} failed (exit code ${status}):\n${stderr}`);
  return stdout.trim();
}

export function requireNode() {
  const version = process.versions.node.split('.').map(Number);
  if (!isAtLeast(version, OLDEST_NODE)) {
    throw new SetupError(`Node.js ${process.versions.node} is too old: ${OLDEST_NODE.join('.')} or newer is needed`);
  }
}

export function requireRoot(what) {
  if (process.getuid?.() !== 0)
    throw new SetupError(`${what} mounts file systems and starts GlusterFS: run it as root`);
}

export function requireGo(what) {
  const { stdout, error } = spawnSync('go', ['version'], { encoding: 'utf8' });
  const wanted = `Go ${OLDEST_GO.join('.')} or newer on the PATH (https://go.dev/dl/)`;
  if (error !== undefined) throw new SetupError(`${what} needs ${wanted}; there is no go`);
  const version = /go(\d+)\.(\d+)/.exec(stdout)?.slice(1).map(Number) ?? [0, 0];
  if (!isAtLeast(version, OLDEST_GO)) throw new SetupError(`${what} needs ${wanted}; there is ${stdout.trim()}`);
}

/** True when node_modules holds what package-lock.json says; packages for other platforms are not expected there. */
function npmPackagesAreCurrent() {
  const wanted = JSON.parse(readFileSync('package-lock.json', 'utf8')).packages;
  let installed;
  try {
    installed = JSON.parse(readFileSync('node_modules/.package-lock.json', 'utf8')).packages;
  } catch {
    return false;
  }
  return Object.entries(wanted).every(
    ([path, { version, optional }]) =>
      path === '' || installed[path]?.version === version || (optional === true && installed[path] === undefined),
  );
}

export function ensureNpmPackages() {
  if (!npmPackagesAreCurrent()) run('npm', ['ci', '--include=dev', '--no-audit', '--no-fund']);
}

/**
 * Debian's `postgresql` makes and starts a database when it is installed, but for this (pg_createcluster(8)); the tests
 * only need its programs. Where PostgreSQL was configured before, that is left to whoever did it.
 */
function wantNoDatabase() {
  const file = '/etc/postgresql-common/createcluster.conf';
  if (existsSync(file) === true) return;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, 'create_main_cluster = false\n');
}

/** @param groups keys of scripts/debian-packages.json */
export function ensureDebianPackages(...groups) {
  const lists = JSON.parse(readFileSync(new URL('../debian-packages.json', import.meta.url), 'utf8'));
  const wanted = groups.flatMap((group) => lists[group]);
  const format = '${Package} ${db:Status-Status}\\n';
  const { stdout, error } = spawnSync('dpkg-query', ['-W', '-f', format, ...wanted], { encoding: 'utf8' });
  if (error !== undefined) {
    throw new SetupError(`this is not Debian: install what its packages ${wanted.join(', ')} hold, and a dpkg-query`);
  }
  const installed = new Set(stdout.split('\n').filter((line) => line.endsWith(' installed')));
  const missing = wanted.filter((name) => !installed.has(`${name} installed`));
  if (missing.length === 0) return;
  requireRoot(`Installing ${missing.join(', ')}`);
  if (missing.includes('postgresql')) wantNoDatabase();
  // ucf(1) asks about what lies in /etc already, whatever debconf is told.
  const env = { DEBIAN_FRONTEND: 'noninteractive', UCF_FORCE_CONFFOLD: 'yes' };
  const apt = ['-q', '-y', '-o', 'DPkg::Lock::Timeout=300'];
  run('apt-get', [...apt, 'update'], env);
  run('apt-get', [...apt, 'install', '--no-install-recommends', ...missing], env);
}

/** Makes dist/, from which the driver runs. */
export function build() {
  run(process.execPath, ['scripts/build.mjs']);
}

/**
 * Goes on in TypeScript: `module` (a .ts file) runs with the same standard streams.
 * @returns its exit code
 */
export function runTypeScript(module, args, env = {}) {
  const child = spawn(process.execPath, ['--import', 'tsx', module, ...args], {
    stdio: 'inherit',
    // Nothing is to be left behind, and so no cache in /tmp.
    env: { ...process.env, TSX_DISABLE_CACHE: '1', ...env },
  });
  // Ctrl-C reaches the child too, which then cleans up: this process only has to wait for it.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

/** Runs a script in the project's directory; a SetupError becomes a message and the exit code 2. */
export async function main(script) {
  process.chdir(fileURLToPath(new URL('../..', import.meta.url)));
  try {
    process.exitCode = await script(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(error.message);
    process.exitCode = 2;
  }
}
