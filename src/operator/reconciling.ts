import type { Logger } from '../base/logger.js';
import type { ApiClient } from '../kube/api-client.js';
import type { ApiWriter } from '../kube/api-writer.js';
import type { BrickFigures } from './look-at-brick.js';
import type { ObjectSettings } from './objects.js';
import type { ConditionWish } from './status.js';
import type { PoolStatus } from './storage-pool.js';

export const FIELD_MANAGER = 'kayal-operator';

export interface Reconciling {
  readonly client: ApiClient;
  readonly writer: ApiWriter;
  readonly settings: ObjectSettings;
  readonly log: Logger;
  /** Asks the pod of a brick, by its address. */
  readonly look: (podAddress: string) => Promise<BrickFigures>;
  /** RFC 3339. */
  readonly now: () => string;
}

/** The part of a status that is worked out anew each time. */
export type WantedStatus = Omit<PoolStatus, 'conditions' | 'bricks' | 'observedGeneration'> & {
  readonly bricks?: PoolStatus['bricks'];
  readonly more?: readonly ConditionWish[];
};

/** Each pool has one of its own for the Secret that all share: what it does not set any more goes, and nobody else's does. */
export function poolManager(pool: string): string {
  return `${FIELD_MANAGER}-${pool}`;
}
