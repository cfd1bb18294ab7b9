import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import packageJson from '../../../package.json' with { type: 'json' };
import { mustRun } from '../../lib/run-command.js';
import { CACHE } from '../lib/cache.js';
import type { Tools } from '../tools/tools.js';
import { ensureBuiltImages } from './built-images.js';
import { writeImageArchive, type SimpleImage } from './image-archive.js';
import { forget, hashFiles } from './image-files.js';
import { PAUSE_IMAGE } from './worker.js';

export const KAYAL_IMAGE = `ghcr.io/kayal-storage/kayal:${packageJson.version}`;
export const BUSYBOX_IMAGE = 'docker.io/library/busybox:1';
const BUSYBOX = '/bin/busybox';
/** What the Dockerfile reads, and itself. */
const KAYAL_SOURCES = ['Dockerfile', 'LICENSE', 'package.json', 'package-lock.json', 'scripts/build.mjs', 'src'];

async function fillBusybox(root: string): Promise<void> {
  for (const name of ['bin', 'etc', 'root', 'tmp', 'var']) await mkdir(join(root, name));
  await copyFile(BUSYBOX, join(root, 'bin/busybox'));
  const applets = (await mustRun(BUSYBOX, ['--list'])).trim().split('\n');
  for (const applet of applets.filter((name) => name !== 'busybox'))
    await symlink('busybox', join(root, 'bin', applet));
  await writeFile(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  await writeFile(join(root, 'etc/group'), 'root:x:0:\n');
}

/** Programs of this machine with what they need to run. */
async function addPrograms(root: string, programs: readonly string[]): Promise<void> {
  for (const program of programs) {
    const libraries = [...(await mustRun('ldd', [program])).matchAll(/(?:^|\s)(\/\S+)/g)].map(([, path = '']) => path);
    for (const path of [program, ...libraries]) {
      await mkdir(join(root, dirname(path)), { recursive: true });
      await rm(join(root, path), { force: true });
      await copyFile(path, join(root, path));
    }
  }
}

/** busybox, with a dd that has `oflag=nocache`, and a shell that does not take its own instead and knows `let`. */
async function fillTestImage(root: string): Promise<void> {
  await fillBusybox(root);
  await addPrograms(root, ['/bin/dd', '/bin/bash']);
  await rm(join(root, 'bin/sh'));
  await symlink('bash', join(root, 'bin/sh'));
}

function programImage(program: string, name: string): SimpleImage {
  return {
    names: [name],
    fill: (root) => copyFile(program, join(root, basename(program))),
    entrypoint: [`/${basename(program)}`],
  };
}

/** What the pods of Kubernetes' own tests run; the names are those of its test/utils/image. */
const SUITE_IMAGES = {
  agnhost: 'registry.k8s.io/e2e-test-images/agnhost:2.63.0',
  busybox: 'registry.k8s.io/e2e-test-images/busybox:1.37.0-1',
  // The storage tests only run shell scripts in them.
  glibc: 'registry.k8s.io/e2e-test-images/glibc-dns-testing:2.0.0',
  nginx: 'registry.k8s.io/e2e-test-images/nginx:1.15-4',
} as const;

/** FROM scratch: sidecars and helpers, each a static program. */
function simpleImages(tools: Tools): readonly SimpleImage[] {
  return [
    {
      names: [SUITE_IMAGES.agnhost],
      fill: async (root) => {
        await fillTestImage(root);
        await copyFile(tools.program('agnhost'), join(root, 'agnhost'));
      },
      entrypoint: ['/agnhost'],
      command: ['pause'],
    },
    {
      names: [
        BUSYBOX_IMAGE,
        'docker.io/library/busybox:latest',
        SUITE_IMAGES.busybox,
        SUITE_IMAGES.glibc,
        SUITE_IMAGES.nginx,
      ],
      fill: fillTestImage,
      command: ['sh'],
    },
    // It has to do nothing, until it is killed.
    { names: [PAUSE_IMAGE], fill: fillBusybox, entrypoint: ['/bin/busybox', 'sleep', '2147483647'] },
    ...Object.entries(tools.sidecars).map(([program, version]) =>
      programImage(tools.program(program), `registry.k8s.io/sig-storage/${program}:${version}`),
    ),
  ];
}

/** @returns an archive of the image that scripts/image.mjs makes; a build takes minutes */
async function ensureKayal(log: string): Promise<string> {
  const file = join(CACHE, `e2e-kayal-${await hashFiles(KAYAL_SOURCES)}.tar`);
  if (!existsSync(file)) {
    process.stdout.write(`building ${KAYAL_IMAGE}\n`);
    const output = await mustRun(
      process.execPath,
      ['scripts/image.mjs', '--debootstrap', '--name', KAYAL_IMAGE, '--archive', `${file}.unfinished`],
      { timeoutMs: 30 * 60_000 },
    );
    await writeFile(log, output);
    await rename(`${file}.unfinished`, file);
  }
  await forget('e2e-kayal-', file);
  return file;
}

async function ensureSimple(tools: Tools): Promise<string> {
  const images = simpleImages(tools);
  const programs = ['agnhost', ...Object.keys(tools.sidecars)].map((name) => tools.program(name));
  const own = ['cluster/images.ts', 'cluster/image-archive.ts'].map((name) => join('test/e2e', name));
  const key = createHash('sha256')
    .update(programs.join('\n'))
    .update(await hashFiles([BUSYBOX, ...own]));
  const file = join(CACHE, `e2e-images-${key.digest('hex').slice(0, 12)}.tar`);
  if (existsSync(file)) return file;
  const work = await mkdtemp(`${file}.unfinished-`);
  try {
    await writeImageArchive(images, work, join(work, 'images.tar'));
    await rename(join(work, 'images.tar'), file);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  await forget('e2e-images-', file);
  return file;
}

/**
 * @param withBuilt also those of the examples, which take minutes to build
 * @returns archives of all images that the cluster needs, under their public names
 */
export async function ensureImages(directory: string, tools: Tools, withBuilt: boolean): Promise<readonly string[]> {
  const own = [await ensureSimple(tools), await ensureKayal(join(directory, 'image.log'))];
  return withBuilt ? [...own, ...(await ensureBuiltImages())] : own;
}
