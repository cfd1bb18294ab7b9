import { existsSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun } from '../../lib/run-command.js';
import { CACHE } from '../lib/cache.js';
import { forget, hashFiles } from './image-files.js';

/** Images of the examples, by the directory in test/e2e/images that they are made from. */
const IMAGES = { nginx: 'docker.io/library/nginx:1', postgres: 'docker.io/library/postgres:17' } as const;
const BUILD_TIMEOUT_MS = 20 * 60_000;

/** On the base image that scripts/image.mjs has made. @returns archives */
export async function ensureBuiltImages(): Promise<readonly string[]> {
  // Neither a container runtime nor namespaces are needed then.
  const env = { ...process.env, BUILDAH_ISOLATION: 'chroot' };
  const files: string[] = [];
  for (const [name, image] of Object.entries(IMAGES)) {
    const source = join('test/e2e/images', name);
    const file = join(CACHE, `e2e-${name}-${await hashFiles([source])}.tar`);
    files.push(file);
    if (existsSync(file)) continue;
    process.stdout.write(`building ${image}\n`);
    const options = { env, timeoutMs: BUILD_TIMEOUT_MS };
    await mustRun('buildah', ['build', '--pull=never', '--format=oci', `--tag=${image}`, source], options);
    await mustRun('buildah', ['push', '--quiet', image, `oci-archive:${file}.unfinished:${image}`], options);
    await rename(`${file}.unfinished`, file);
    await forget(`e2e-${name}-`, file);
  }
  return files;
}
