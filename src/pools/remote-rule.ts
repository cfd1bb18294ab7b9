import type { Problem, RawPool } from './config-problem.js';

const problem = (key: string, message: string): readonly Problem[] => [{ key, message }];

/** What is wrong with a pool whose bricks `kayal brick` runs elsewhere. */
export function remoteRule({ remote, bricks, quota, tls }: RawPool): readonly Problem[] {
  if (typeof remote !== 'object' || remote === null) return [];
  const { addresses } = remote as RawPool;
  if (Array.isArray(addresses) && Array.isArray(bricks) && addresses.length !== bricks.length) {
    return problem(
      'remote.addresses',
      `must list one for each brick, of which there are ${bricks.length}; lists ${addresses.length}`,
    );
  }
  if (tls !== undefined) return problem('tls', 'cannot be given with remote: bricks elsewhere have no TLS yet');
  if (quota !== 'project') return [];
  return problem('quota', 'cannot be project with remote: it needs bricks on this machine; take auto or gluster');
}
