import { invalidArgument } from '../../base/errors.js';
import { KAYAL_DIRECTORY, VOLUMES_DIRECTORY } from '../records/layout.js';
import type { Claim } from '../records/record.js';

const VARIABLES: Readonly<Record<string, (claim: Claim) => string | undefined>> = {
  'pvc.metadata.namespace': (claim) => claim.namespace,
  'pvc.metadata.name': (claim) => claim.name,
  'pv.metadata.name': (claim) => claim.pv,
};
const VARIABLE = /\$\{([^}]*)\}/g;
/** NAME_MAX of Linux and of GlusterFS' storage/posix. */
const MAX_NAME = 255;
const MAX_PATH = 1024;

/**
 * A path relative to the root of a pool, in its one normal form: no empty, `.` or `..` component, no control
 * character, each component at most 255 bytes, and not in or above Kayal's own directories.
 * @returns what is wrong with it, undefined when nothing is
 */
export function problemOfPath(path: string): string | undefined {
  if (path === '') return 'is empty';
  if (path.startsWith('/')) return 'is absolute';
  if (Buffer.byteLength(path) > MAX_PATH) return `is longer than ${MAX_PATH} bytes`;
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u001f\u007f\\]/.test(path)) return 'has a control character or a backslash';
  const components = path.split('/');
  for (const component of components) {
    if (component === '') return 'has an empty component';
    if (component === '.' || component === '..') return `has the component "${component}"`;
    if (Buffer.byteLength(component) > MAX_NAME) return `has a component longer than ${MAX_NAME} bytes`;
  }
  const first = components[0];
  if (first === KAYAL_DIRECTORY || first === VOLUMES_DIRECTORY || first === '.meta' || first === '.glusterfs') {
    return `lies in ${first}, which is not for patterns`;
  }
  return undefined;
}

/** True when the pattern has only known variables and gives a proper path for ordinary names. */
export function checkPathPattern(pattern: string): boolean {
  const names = [...pattern.matchAll(VARIABLE)].map((match) => match[1] ?? '');
  if (names.some((name) => !Object.hasOwn(VARIABLES, name))) return false;
  const sample = pattern.replaceAll(VARIABLE, 'x');
  return !sample.includes('$') && problemOfPath(sample) === undefined;
}

/**
 * The path of one claim.
 * @throws KayalError INVALID_ARGUMENT when a variable has no value or the result is not a proper path
 */
export function expandPathPattern(pattern: string, claim: Claim): string {
  const path = pattern.replaceAll(VARIABLE, (_, name: string) => {
    const value = VARIABLES[name]?.(claim);
    if (value === undefined || value === '') {
      throw invalidArgument(
        `pathPattern ${pattern}: \${${name}} has no value; run external-provisioner with --extra-create-metadata`,
      );
    }
    // A namespace or claim name is a DNS name; anything else comes from somebody who wants out of his place.
    if (value.includes('/') || value === '.' || value === '..') {
      throw invalidArgument(`pathPattern ${pattern}: ${JSON.stringify(value)} is no value for \${${name}}`);
    }
    return value;
  });
  const problem = problemOfPath(path);
  if (problem !== undefined) throw invalidArgument(`pathPattern ${pattern}: ${JSON.stringify(path)} ${problem}`);
  return path;
}
