import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { mustRun } from '../../lib/run-command.js';

export interface SimpleImage {
  /** With its registry and tag, as pods name it; several are possible. */
  readonly names: readonly string[];
  /** Makes the image's files. */
  readonly fill: (root: string) => Promise<void>;
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/**
 * Writes images of one layer each as one archive of the form that `docker save` has
 * (https://github.com/moby/docker-image-spec): no builder and no registry takes part.
 * @param directory an empty directory for the work
 */
export async function writeImageArchive(
  images: readonly SimpleImage[],
  directory: string,
  file: string,
): Promise<void> {
  const content = join(directory, 'content');
  await mkdir(content);
  const manifest: object[] = [];
  for (const [index, { names, fill, entrypoint = [], command = [] }] of images.entries()) {
    const root = join(directory, `root-${index}`);
    await mkdir(root);
    await fill(root);
    const layer = `layer-${index}.tar`;
    const reproducible = ['--sort=name', '--mtime=@0', '--numeric-owner', '--owner=0', '--group=0'];
    await mustRun('tar', ['-C', root, ...reproducible, '-cf', join(content, layer), '.'], { timeoutMs: 120_000 });
    const config = {
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      config: {
        Entrypoint: entrypoint,
        Cmd: command,
        Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
      },
      rootfs: { type: 'layers', diff_ids: [`sha256:${await digestOf(join(content, layer))}`] },
    };
    await writeFile(join(content, `config-${index}.json`), JSON.stringify(config));
    manifest.push({ Config: `config-${index}.json`, RepoTags: names, Layers: [layer] });
    await rm(root, { recursive: true });
  }
  await writeFile(join(content, 'manifest.json'), JSON.stringify(manifest));
  await mustRun('tar', ['-C', content, '-cf', file, '.'], { timeoutMs: 120_000 });
}
