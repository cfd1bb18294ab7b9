import { SystemError } from '../base/errors.js';

/**
 * The components of a path inside a tree; none for '' and '.', which are the tree's root.
 * @throws SystemError EXDEV for an absolute path and for `..`, as openat2(2) does; EINVAL for a NUL
 */
export function components(path: string): string[] {
  if (path.includes('\0')) throw new SystemError('EINVAL', 'openat2', path);
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (path.startsWith('/') || parts.includes('..')) throw new SystemError('EXDEV', 'openat2', path);
  return parts;
}

/**
 * A path inside a tree, cut into the directory it is in and its last name.
 * @throws SystemError as `components`; EINVAL for the root of the tree
 */
export function splitPath(path: string): { readonly parent: string; readonly name: string } {
  const parts = components(path);
  const name = parts.pop();
  if (name === undefined) throw new SystemError('EINVAL', 'openat2', path);
  return { parent: parts.join('/'), name };
}

/**
 * An absolute path without slashes at its end, where they would make a system call follow a symlink.
 * @throws SystemError EINVAL for a relative path, a NUL and for `/`
 */
export function absolutePath(path: string): string {
  const trimmed = path.replace(/\/+$/, '');
  if (!trimmed.startsWith('/') || path.includes('\0')) throw new SystemError('EINVAL', 'openat2', path);
  return trimmed;
}
