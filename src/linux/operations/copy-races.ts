import { SystemError } from '../../base/errors.js';

/** The source is in use: what is not there (any more), or has something else in its place, is undefined. */
export function unlessGone<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof SystemError && ['ENOENT', 'ENOTDIR', 'ELOOP', 'ESTALE', 'ENXIO'].includes(error.code)) {
      return undefined;
    }
    throw error;
  }
}

/** Undefined when the name is there: the source was read twice, as it may be when entries are renamed meanwhile. */
export function unlessThere<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof SystemError && error.code === 'EEXIST') return undefined;
    throw error;
  }
}
