import type { PoolConfig } from './types.js';

/**
 * The one node that reaches a pool; undefined when all of them do. The bricks of a managed pool listen on the loopback
 * address of the machine that runs them, unless they are remote.
 * @param self the node that asks; a managed pool of its configuration is its own
 */
export function nodeOfPool(pool: PoolConfig, self: string): string | undefined {
  switch (pool.type) {
    case 'directory':
      return pool.node;
    case 'managed':
      return pool.remote === undefined ? self : undefined;
    case 'gluster':
      return undefined;
  }
}
