/*
 * Names of the objects that a pool has. The last part tells what they are, so that no two pools share one: the brick 0 of a
 * pool `a-1` and the brick 10 of a pool `a` are `kayal-a-1-0` and `kayal-a-10`.
 */

/** Of every brick, as each has an address of its own (docs/decisions/0013). */
export const BRICK_PORT = 24_100;
/** Where a brick's pod serves /metrics, /healthz and /readyz. */
export const BRICK_METRICS_PORT = 9810;

export const POOL_LABEL = 'kayal.storage/pool';
export const BRICK_LABEL = 'kayal.storage/brick';
export const APPLICATION_LABEL = 'app.kubernetes.io/name';
export const BRICK_APPLICATION = 'kayal-brick';

/** Service, StatefulSet and (with -0 behind it) pod of a brick. */
export function brickName(pool: string, index: number): string {
  return `kayal-${pool}-${index}`;
}

/** Headless Service and Secret of all bricks of a pool. */
export function bricksName(pool: string): string {
  return `kayal-${pool}-bricks`;
}

/** What its StorageClass is called when the pool does not say. */
export function defaultClassName(pool: string): string {
  return `kayal-${pool}`;
}

/** The pool's key in the Secret that controller and nodes have mounted. */
export function poolKey(pool: string): string {
  return `${pool}.yaml`;
}

/** Where a brick is in its pod; different ones for all bricks of a pool, as clients tell them apart by their paths. */
export function brickDirectory(index: number): string {
  return `/bricks/${index}`;
}

/** The brick itself, in what is mounted there. */
export function brickPath(index: number): string {
  return `${brickDirectory(index)}/brick`;
}
