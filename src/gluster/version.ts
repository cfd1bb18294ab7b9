import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { failedPrecondition, isErrno, messageOf } from '../base/errors.js';
import type { MechanismName } from '../quota/mechanism.js';
import { PROGRAM_ENVIRONMENT } from './processes.js';

export interface GlusterVersion {
  readonly major: number;
  readonly minor: number;
}

const run = promisify(execFile);

/** The version in the first line of `glusterfs --version`; undefined when it is none. */
export function parseGlusterVersion(text: string): GlusterVersion | undefined {
  const match = /^glusterfs (\d+)(?:\.(\d+))?/.exec(text);
  return match === null ? undefined : { major: Number(match[1]), minor: Number(match[2] ?? 0) };
}

/**
 * The version of the installed glusterfs.
 * @throws KayalError FAILED_PRECONDITION when it is not installed or does not say its version
 */
export async function glusterVersion(): Promise<GlusterVersion> {
  let text: string;
  try {
    ({ stdout: text } = await run('glusterfs', ['--version'], { env: PROGRAM_ENVIRONMENT, timeout: 10_000 }));
  } catch (error) {
    throw failedPrecondition(
      isErrno(error, 'ENOENT')
        ? 'glusterfs is not installed: install the package glusterfs-server (Debian) or glusterfs-fuse and glusterfs-server'
        : `glusterfs --version failed: ${messageOf(error)}`,
      { cause: error },
    );
  }
  const version = parseGlusterVersion(text);
  if (version === undefined) throw failedPrecondition(`glusterfs --version says ${JSON.stringify(text.slice(0, 100))}`);
  return version;
}

/** @throws KayalError FAILED_PRECONDITION when the installed glusterfs does not have the pool's mechanism, and as `glusterVersion` */
export async function requireMechanism(pool: string, quota: MechanismName): Promise<void> {
  if (quota === 'simple' && (await glusterVersion()).major < 11) {
    throw failedPrecondition(`pool ${pool}: quota simple needs GlusterFS 11 or later`);
  }
}
