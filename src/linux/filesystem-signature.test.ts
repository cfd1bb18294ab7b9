import { execFileSync } from 'node:child_process';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { contentOf, SIGNATURE_BYTES } from './filesystem-signature.js';
import { makeFilesystem } from './make-filesystem.js';
import { withDirectory } from './testing.js';

const start = (file: string): Uint8Array => readFileSync(file).subarray(0, SIGNATURE_BYTES);

describe('contentOf', () => {
  test.each([
    ['ext4', 16],
    ['ext4', 600],
    ['xfs', 300],
  ] as const)('%s of %i MiB, as makeFilesystem makes it', async (fsType, sizeMiB) => {
    await withDirectory(async (directory) => {
      const image = join(directory, 'image');
      writeFileSync(image, '');
      truncateSync(image, sizeMiB * 1024 * 1024);
      expect(contentOf(start(image))).toBe('zero');
      await makeFilesystem(image, fsType);
      expect(contentOf(start(image))).toBe(fsType);
      const check = fsType === 'xfs' ? ['xfs_repair', '-n', image] : ['e2fsck', '-f', '-n', image];
      execFileSync(check[0] ?? '', check.slice(1), { stdio: 'pipe' });
    });
  });

  test('anything else is something else', async () => {
    await withDirectory(async (directory) => {
      const image = join(directory, 'image');
      writeFileSync(image, '');
      truncateSync(image, 16 * 1024 * 1024);
      execFileSync('mkfs.ext2', ['-q', '-F', image]);
      expect(contentOf(start(image))).toBe('other');
    });
    const late = new Uint8Array(SIGNATURE_BYTES);
    late[SIGNATURE_BYTES - 1] = 1;
    expect(contentOf(late)).toBe('other');
    expect(contentOf(new Uint8Array(1).fill(1))).toBe('other');
  });
});
