import { join } from 'node:path';
import { failedPrecondition } from '../base/errors.js';
import type { MechanismName } from '../quota/mechanism.js';
import { readTextFile, writePrivateFile } from './private-files.js';

/** What the state directory knows of a managed pool; bricks' labels say the part that must not be lost. */
export interface PoolIdentity {
  readonly formatVersion: 1;
  readonly pool: string;
  readonly volumeId: string;
  readonly quota: MechanismName;
  /** What each group of its bricks is (describeShape); absent in pools that were made before it was recorded. */
  readonly layout?: string | undefined;
  /** `creating` until every brick has its label: only then may an empty directory become a brick. */
  readonly state: 'creating' | 'ready';
  readonly credentials: { readonly username: string; readonly password: string };
  readonly bricks: readonly PoolIdentityBrick[];
}

export interface PoolIdentityBrick {
  readonly port: number;
  /** Bricks of the pool on the filesystem of this one, itself included. */
  readonly sharedBy: number;
}

const FILE = 'identity.json';

function isIdentity(value: unknown): value is PoolIdentity {
  if (typeof value !== 'object' || value === null) return false;
  const { formatVersion, pool, volumeId, credentials, bricks } = value as Partial<Record<keyof PoolIdentity, unknown>>;
  return (
    formatVersion === 1 &&
    typeof pool === 'string' &&
    typeof volumeId === 'string' &&
    typeof credentials === 'object' &&
    credentials !== null &&
    Array.isArray(bricks)
  );
}

/**
 * The identity kept in a pool's directory; undefined when there is none.
 * @throws KayalError FAILED_PRECONDITION when it cannot be understood
 */
export async function readIdentity(directory: string): Promise<PoolIdentity | undefined> {
  const path = join(directory, FILE);
  const text = await readTextFile(path);
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (isIdentity(value)) return value;
  } catch {
    // Said below.
  }
  throw failedPrecondition(
    `${path} is not an identity that this version of Kayal understands: remove it if it is damaged; ports and credentials are then made anew, the bricks know the rest`,
  );
}

export async function writeIdentity(directory: string, identity: PoolIdentity): Promise<void> {
  await writePrivateFile(join(directory, FILE), `${JSON.stringify(identity, undefined, 2)}\n`);
}
