import * as v from 'valibot';
import { KayalError, failedPrecondition, messageOf } from '../base/errors.js';
import type { Tree } from '../linux/tree.js';
import type { MechanismName } from '../quota/mechanism.js';

export const POOL_FILE = '.kayal/pool.json';
export const POOL_FORMAT = 1;

/** `.kayal/pool.json`: what a directory must hold to be served as a pool. */
export interface PoolFile {
  readonly formatVersion: number;
  /** A UUID, made once; every mount of the pool is checked against it. */
  readonly id: string;
  /** The name the pool had when it was made; informative. */
  readonly name: string;
  /** The installation (config key `installation`) that alone may change the pool. */
  readonly owner: string;
  /** Chosen once; it never changes by itself, as every limit in the pool is kept by it. */
  readonly mechanism: MechanismName;
  readonly createdAt: string;
}

const schema = v.looseObject({
  formatVersion: v.pipe(v.number(), v.integer(), v.minValue(1)),
  id: v.pipe(v.string(), v.uuid()),
  name: v.string(),
  owner: v.string(),
  mechanism: v.picklist(['project', 'gluster', 'simple', 'none']),
  createdAt: v.string(),
});

/**
 * Reads `.kayal/pool.json`.
 * @returns undefined when there is none
 * @throws KayalError FAILED_PRECONDITION when it cannot be understood, or is of a newer format
 */
export async function readPoolFile(tree: Tree): Promise<PoolFile | undefined> {
  const data = await tree.readFile(POOL_FILE, 64 * 1024);
  if (data === undefined) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(data.toString('utf8'));
  } catch (error) {
    throw failedPrecondition(`${tree.root}/${POOL_FILE} is not JSON (${messageOf(error)}); restore it from a backup`, {
      cause: error,
    });
  }
  const parsed = v.safeParse(schema, json);
  if (!parsed.success) {
    const issue = parsed.issues[0];
    throw failedPrecondition(`${tree.root}/${POOL_FILE}: ${v.getDotPath(issue) ?? 'file'}: ${issue.message}`);
  }
  if (parsed.output.formatVersion > POOL_FORMAT) {
    throw failedPrecondition(
      `${tree.root}/${POOL_FILE} has format ${parsed.output.formatVersion}, this Kayal knows ${POOL_FORMAT}: use a newer Kayal`,
    );
  }
  return parsed.output;
}

/** @throws KayalError FAILED_PRECONDITION when the pool belongs to another installation */
export function checkOwner(pool: string, file: PoolFile, installation: string): void {
  if (file.owner === installation) return;
  throw new KayalError(
    'FAILED_PRECONDITION',
    `pool ${pool} belongs to installation ${JSON.stringify(file.owner)}, this is ${JSON.stringify(installation)}: ` +
      `to take it over, stop the other one and run "kayal pool takeover ${pool} --config FILE"`,
  );
}

export function formatPoolFile(file: PoolFile): Buffer {
  return Buffer.from(`${JSON.stringify(file, undefined, 1)}\n`);
}
