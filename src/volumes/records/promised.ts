import type { VolumeRecord } from './record.js';

/**
 * A hybrid volume has room in its pool for a state that holds everything, for those that build upon it, and for the next one
 * that holds everything, so that a full volume can always be synced; as many times its limit.
 */
export const HYBRID_ROOM = 3n;

/** What a pool promises with a volume, in bytes. */
export function promisedBytesOf({ type, limitBytes }: Pick<VolumeRecord, 'type' | 'limitBytes'>): bigint {
  return type === 'hybrid' ? HYBRID_ROOM * limitBytes : limitBytes;
}
