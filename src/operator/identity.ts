import { randomBytes, randomUUID } from 'node:crypto';
import { failedPrecondition } from '../base/errors.js';
import { parsePoolText, type PoolIdentity } from './pool-config.js';
import type { StoragePool } from './storage-pool.js';

/** What is on record about a managed pool, wherever it is. */
export interface Recorded {
  /** From the Secret of its bricks; undefined: there is none. */
  readonly bricksText?: string | undefined;
  /** Its key in the Secret of controller and nodes; undefined: it has none. */
  readonly poolsText?: string | undefined;
  /** Bricks that may be made, as the Secret of the bricks has it. */
  readonly make?: string | undefined;
}

interface Known extends PoolIdentity {
  readonly addresses: readonly string[];
}

function known(name: string, text: string | undefined): Known | undefined {
  const config = text === undefined ? undefined : parsePoolText(name, text);
  return config?.type === 'managed' ? config.remote : undefined;
}

/** One value for what several places may have on record. @throws KayalError FAILED_PRECONDITION when they differ */
function agreed<T>(what: string, pool: string, values: readonly (T | undefined)[]): T | undefined {
  const found = [...new Set(values.filter((value) => value !== undefined))];
  if (found.length < 2) return found[0];
  throw failedPrecondition(
    `${what} of pool ${pool} is on record as ${found.join(' and as ')} (its status, its spec, and two Secrets have it): nothing ` +
      "is done until they agree; each brick's label says what is right",
  );
}

export interface ManagedIdentity {
  readonly identity: PoolIdentity;
  /** Addresses on record, by the number of the brick. */
  readonly addresses: readonly (string | undefined)[];
  /** True for the bricks that were seen to be there. */
  readonly made: readonly boolean[];
}

/**
 * What a pool is, from what is on record; new only where nothing is.
 * @throws KayalError FAILED_PRECONDITION when two records differ
 */
export function identityOf(pool: StoragePool, recorded: Recorded): ManagedIdentity {
  const { name } = pool.metadata;
  const { managed } = pool.spec;
  const count = managed?.bricks.length ?? 0;
  const [ofBricks, ofPools] = [known(name, recorded.bricksText), known(name, recorded.poolsText)];
  const seen = [pool.status.volumeId, managed?.volumeId, ofBricks?.volumeId, ofPools?.volumeId];
  const volumeId = agreed('the volume id', name, seen);
  const status = new Map(pool.status.bricks.map((brick) => [brick.index, brick]));
  const bricks = Array.from({ length: count }, (_, index) => index);
  const toMake = recorded.make === undefined ? undefined : new Set(recorded.make.split(',').map((word) => word.trim()));
  // Bricks of an object that names its id have been there before.
  const isNew = volumeId === undefined;
  return {
    identity: {
      volumeId: volumeId ?? randomUUID(),
      credentials: ofBricks?.credentials ??
        ofPools?.credentials ?? { username: randomUUID(), password: randomBytes(24).toString('hex') },
    },
    addresses: bricks.map((index) =>
      agreed(`the address of brick ${index}`, name, [
        status.get(index)?.address,
        ofBricks?.addresses[index],
        ofPools?.addresses[index],
      ]),
    ),
    made: bricks.map((index) => {
      if (isNew) return false;
      if (status.get(index)?.made === true || ofPools !== undefined) return true;
      return toMake === undefined ? status.get(index) === undefined : !toMake.has(String(index));
    }),
  };
}
