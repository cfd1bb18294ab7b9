// debian:trixie-slim without a registry: debootstrap, slimmed as the official image is.
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { HOST } from './architectures.mjs';
import { capture, run } from './setup.mjs';

export const BASE_IMAGE = 'docker.io/library/debian:trixie-slim';

/** Images of two architectures cannot have one name here: only this machine's has its public one. */
export function baseImage(architecture) {
  return architecture === HOST ? BASE_IMAGE : `localhost/debian-${architecture}:trixie-slim`;
}

/** In the name of the cached archive: another one after a change here. */
const EDITION = '1';
/** What the official slim images leave out too (debuerreotype, .slimify-excludes); copyright files stay. */
const EXCLUDES = [
  '/usr/share/doc/*',
  '/usr/share/info/*',
  '/usr/share/locale/*',
  '/usr/share/man/*',
  '/usr/share/groff/*',
  '/usr/share/linda/*',
  '/usr/share/lintian/*',
];
const KEPT = '/usr/share/doc/*/copyright';

/** dpkg's configuration that keeps the excluded files out of every later installation as well. */
function excludes() {
  return [...EXCLUDES.map((path) => `path-exclude ${path}`), `path-include ${KEPT}`, ''].join('\n');
}

/** @returns the path of a root file system as a tar archive, from the cache (KAYAL_TEST_CACHE) after the first time */
async function rootArchive(architecture) {
  const cache = process.env['KAYAL_TEST_CACHE'] ?? join(homedir(), '.cache', 'kayal-test');
  const suffix = architecture === HOST ? '' : `-${architecture}`;
  const archive = join(cache, `debian-trixie-slim-${EDITION}${suffix}.tar`);
  if (existsSync(archive) === true) return archive;
  mkdirSync(cache, { recursive: true });
  const work = await mkdtemp(join(cache, 'debian-trixie-slim.unfinished-'));
  try {
    const root = join(work, 'root');
    run('debootstrap', ['--variant=minbase', `--arch=${architecture}`, 'trixie', root]);
    writeFileSync(join(root, 'etc/dpkg/dpkg.cfg.d/slim'), excludes());
    const patterns = EXCLUDES.map((path) => `--exclude=.${path}`);
    // What debootstrap downloaded; apt fetches it again when it is asked for something.
    const caches = ['./var/cache/apt/*', './var/lib/apt/lists/*', './var/log/*'].map((path) => `--exclude=${path}`);
    run('tar', ['-C', root, '--numeric-owner', ...caches, ...patterns, '-cf', join(work, 'root.tar'), '.']);
    renameSync(join(work, 'root.tar'), archive);
    return archive;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Makes the base image under its public name, unless it is there already. */
export async function ensureBaseImage(architecture = HOST) {
  const name = baseImage(architecture);
  if (capture('buildah', ['images', '--quiet', '--filter', `reference=${name}`]) !== '') return;
  const archive = await rootArchive(architecture);
  const container = capture('buildah', ['from', `--arch=${architecture}`, 'scratch']);
  try {
    run('buildah', ['add', '--quiet', container, archive, '/']);
    run('buildah', [
      'config',
      '--cmd',
      '["bash"]',
      '--arch',
      architecture,
      '--env',
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      container,
    ]);
    run('buildah', ['commit', '--quiet', container, name]);
  } finally {
    run('buildah', ['rm', container]);
  }
}
