import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseMountinfo, readMountinfo, topMount, type MountEntry } from './mountinfo.js';

/** As the kernel writes it (fs/proc_namespace.c, show_mountinfo). */
function escape(text: string): string {
  return text.replace(/[ \t\n\\]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`);
}

function format(entry: MountEntry): string {
  const head = [entry.id, entry.parent, entry.dev, escape(entry.root), escape(entry.target), entry.options.join(',')];
  const tail = ['-', entry.fsType, escape(entry.source), escape(entry.superOptions.join(','))];
  return [...head, ...entry.optional, ...tail].join(' ');
}

const path = fc
  .string({ unit: fc.constantFrom('a', '/', '-', ' ', '\\', '\n', '\t', ',', '#', ':', 'ü', '0', '1', '4') })
  .map((text) => `/${text}`);
const words = (alternatives: readonly string[]): fc.Arbitrary<string[]> =>
  fc.array(fc.constantFrom(...alternatives), { minLength: 1, maxLength: 4 });
const entry: fc.Arbitrary<MountEntry> = fc.record({
  id: fc.nat(),
  parent: fc.nat(),
  dev: fc.tuple(fc.nat(4095), fc.nat(1048575)).map(([major, minor]) => `${major}:${minor}`),
  root: path,
  target: path,
  options: words(['rw', 'ro', 'nosuid', 'noatime']),
  optional: fc.array(fc.constantFrom('shared:1', 'master:2', 'unbindable', 'propagate_from:3'), { maxLength: 3 }),
  fsType: fc.constantFrom('ext4', 'fuse.glusterfs', 'tmpfs', 'fuse.a-b'),
  source: fc.oneof(path, fc.constantFrom('none', '-', 'host:/vol ume')),
  superOptions: words(['rw', 'allow_other', 'user_id=0', 'lower=a b']),
});

test('what the kernel writes is read back', () => {
  fc.assert(
    fc.property(fc.array(entry), (entries) => {
      expect(parseMountinfo(entries.map((one) => `${format(one)}\n`).join(''))).toEqual(entries);
    }),
  );
});

test('an empty source and lines that are none', () => {
  const line = '36 35 98:0 /mnt1 /mnt2 rw - tmpfs  rw';
  expect(parseMountinfo(`\nnonsense\n${line}\n36 35 98:0 / /x rw`)).toMatchObject([{ source: '', target: '/mnt2' }]);
});

test('the mounts of this process', async () => {
  const mounts = await readMountinfo();
  expect(topMount(mounts, '/proc')?.fsType).toBe('proc');
  expect(topMount(mounts, '/no/such')).toBeUndefined();
});

test('the last mount on a target is the one that is seen', () => {
  const lines = [
    '1 0 0:1 / /a rw - tmpfs one rw',
    '2 1 0:2 / /a rw - tmpfs two rw',
    '3 1 0:3 / /b rw - tmpfs three rw',
  ];
  expect(topMount(parseMountinfo(lines.join('\n')), '/a')?.source).toBe('two');
});
