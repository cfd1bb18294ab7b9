import { describeShape, holdsAllOnEachBrick, shapeOf, type GroupShape } from '../gluster/volfile/group-shape.js';
import type { Problem, RawPool } from './config-problem.js';

/** ec-method.h: EC_METHOD_MAX_FRAGMENTS. */
const MAX_DATA_BRICKS = 16;

const problem = (key: string, message: string): readonly Problem[] => [{ key, message }];

const REPLICA_2 =
  'must be 1 or 3: with two copies nobody can tell which is right once they differ; take 3, with a third brick, or add ' +
  'arbiter: 1, with a third brick that holds names and no data';

function dispersed({ replica, arbiter, disperse }: RawPool): readonly Problem[] | GroupShape {
  if (replica !== undefined) return problem('disperse', 'cannot be given with replica; take one of them');
  if (arbiter !== undefined) return problem('arbiter', 'cannot be given with disperse: it goes with replica: 2');
  const { data, redundancy } = (typeof disperse === 'object' && disperse !== null ? disperse : {}) as RawPool;
  if (!Number.isInteger(data) || !Number.isInteger(redundancy)) return [];
  const [parts, spare] = [Number(data), Number(redundancy)];
  if (parts < 1 || spare < 1) return [];
  if (parts > MAX_DATA_BRICKS) return problem('disperse.data', `must be at most ${MAX_DATA_BRICKS} (is ${parts})`);
  if (spare < parts) return shapeOf({ disperse: { data: parts, redundancy: spare } });
  return problem(
    'disperse.redundancy',
    `must be less than data (is ${spare} of data ${parts}): as with two copies, half of the bricks could not tell who is ` +
      'right; take for example data: 2, redundancy: 1 or data: 4, redundancy: 2',
  );
}

function replicated({ replica, arbiter }: RawPool): readonly Problem[] | GroupShape {
  if (replica === undefined) {
    return problem('replica', 'is missing; it must be 1 or 3, or 2 with arbiter: 1; or give disperse instead');
  }
  if (replica !== 1 && replica !== 2 && replica !== 3) return [];
  if (arbiter === undefined) return replica === 2 ? problem('replica', `${REPLICA_2} (is 2)`) : shapeOf({ replica });
  if (arbiter !== 1) return [];
  if (replica === 1)
    return problem('arbiter', 'goes with replica: 2, two copies and a third brick that has names only');
  return shapeOf({ replica, arbiter });
}

function bricksProblem(bricks: readonly unknown[], { size, ...shape }: GroupShape): readonly Problem[] {
  if (bricks.length > 0 && bricks.length % size === 0) return [];
  const allowed = size === 1 ? 'one or more' : `${size} for each group, so ${size}, ${2 * size}, ${3 * size}, …`;
  return problem('bricks', `must list ${allowed} (${describeShape({ size, ...shape })}), lists ${bricks.length}`);
}

/** features/simple-quota counts what one brick holds, which is a limit's worth only where each brick holds everything. */
function quotaProblem({ quota }: RawPool, bricks: number, shape: GroupShape): readonly Problem[] {
  if (quota !== 'simple' || holdsAllOnEachBrick(shape, bricks)) return [];
  return problem(
    'quota',
    'simple works with replica: 1 or 3 and one group of bricks only; take auto, gluster or project',
  );
}

/** Which bricks a managed pool has: groups of what kind, and how many. */
export function layoutRule(pool: RawPool): readonly Problem[] {
  const shape = pool['disperse'] === undefined ? replicated(pool) : dispersed(pool);
  if (!('kind' in shape)) return shape;
  const { bricks } = pool;
  if (!Array.isArray(bricks)) return [];
  const found = bricksProblem(bricks, shape);
  return found.length > 0 ? found : quotaProblem(pool, bricks.length, shape);
}
