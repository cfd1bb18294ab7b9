import { isDeepStrictEqual } from 'node:util';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { absolutePath, components, splitPath } from './paths.js';

test('components of a path', () => {
  expect(components('')).toEqual([]);
  expect(components('./.')).toEqual([]);
  expect(components('a//b/./c/')).toEqual(['a', 'b', 'c']);
  expect(splitPath('a/b/c')).toEqual({ parent: 'a/b', name: 'c' });
  expect(splitPath('a')).toEqual({ parent: '', name: 'a' });
});

test('a path is refused or has no part that leads elsewhere', () => {
  const part = fc.oneof(fc.constantFrom('', '.', '..', 'a', '...', '..a', 'a\0'), fc.string());
  fc.assert(
    fc.property(fc.array(part), (parts) => {
      const path = parts.join('/');
      const bad = path.startsWith('/') || path.includes('\0') || path.split('/').includes('..');
      const wanted = path.split('/').filter((one) => one !== '' && one !== '.');
      const found = bad ? expect(() => components(path)).toThrow(/EXDEV|EINVAL/) : components(path);
      return bad || isDeepStrictEqual(found, wanted);
    }),
  );
});

test('absolute paths', () => {
  expect(absolutePath('/a/b//')).toBe('/a/b');
  for (const path of ['a', '', '/', '/a\0']) expect(() => absolutePath(path)).toThrow('EINVAL');
});
