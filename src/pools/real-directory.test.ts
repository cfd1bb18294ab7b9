import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { realDirectory } from './real-directory.js';

test('symlinks are resolved, also above what does not exist yet', () => {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'real-directory-')));
  try {
    mkdirSync(join(base, 'data'));
    symlinkSync('data', join(base, 'link'));
    expect(realDirectory(join(base, 'link'))).toBe(join(base, 'data'));
    expect(realDirectory(join(base, 'link', 'a', 'b'))).toBe(join(base, 'data', 'a', 'b'));
    expect(realDirectory(join(base, 'data'))).toBe(join(base, 'data'));
  } finally {
    rmSync(base, { recursive: true });
  }
});
