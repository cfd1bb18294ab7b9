import { formatBytes } from '../base/units.js';
import { bricksNeeded, describeShape, groupsOf, isArbiterBrick, shapeOf } from '../gluster/volfile/group-shape.js';
import { sourceOf } from './pool-config.js';
import type { BrickStatus, Condition, ManagedSpec, PoolStatus, StoragePool } from './storage-pool.js';

/** What is known of a brick that is there or not. */
export interface BrickSight {
  /** HOST:PORT; '' before it has one. */
  readonly address: string;
  readonly node?: string | undefined;
  readonly made: boolean;
  readonly up: boolean;
  /** Why it is not up. */
  readonly message?: string | undefined;
  readonly pendingHeals?: number | undefined;
  readonly sizeBytes?: number | undefined;
  readonly usedBytes?: number | undefined;
}

const bytes = (count: number | undefined): string | undefined =>
  count === undefined ? undefined : formatBytes(BigInt(Math.round(count)));

/** Without keys that say nothing: the server keeps none of them. */
function known<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}

export function brickStatus(managed: ManagedSpec, sights: readonly BrickSight[]): BrickStatus[] {
  return sights.map(({ address, node, made, up, message, pendingHeals, sizeBytes, usedBytes }, index) => {
    const brick = managed.bricks[index] ?? {};
    return known({
      index,
      node: brick.node ?? node,
      source: sourceOf(brick),
      address,
      made,
      up,
      message: up ? undefined : message,
      pendingHeals,
      size: bytes(sizeBytes),
      used: bytes(usedBytes),
    });
  });
}

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);

/** What a pool offers: of each group what its smallest brick has, times the bricks that its data is divided among. */
function totals(managed: ManagedSpec, sights: readonly BrickSight[]): Pick<PoolStatus, 'size' | 'used'> {
  const shape = shapeOf(managed);
  const factor = shape.kind === 'disperse' ? shape.size - shape.redundancy : 1;
  const groups = groupsOf(shape, sights).map((group) =>
    group.filter((_, position) => !isArbiterBrick(shape, position)),
  );
  const known_ = groups.map((group) =>
    group.flatMap(({ sizeBytes, usedBytes }) =>
      sizeBytes === undefined || usedBytes === undefined ? [] : [{ sizeBytes, usedBytes }],
    ),
  );
  if (known_.some((group) => group.length === 0)) return {};
  return {
    size: bytes(sum(known_.map((group) => factor * Math.min(...group.map(({ sizeBytes }) => sizeBytes))))),
    used: bytes(sum(known_.map((group) => factor * Math.max(...group.map(({ usedBytes }) => usedBytes))))),
  };
}

type Phase = NonNullable<PoolStatus['phase']>;

/** Phase and the sentence of a pool, from its bricks. */
export function judge(
  managed: ManagedSpec,
  sights: readonly BrickSight[],
): { readonly phase: Phase; readonly message: string } {
  const shape = shapeOf(managed);
  const away = sights.flatMap(({ up, message }, index) =>
    up ? [] : [{ index, message: message ?? 'it does not run' }],
  );
  const told = away.map(({ index, message }) => `brick ${index} (${whereIs(managed, index)}): ${message}`).join('; ');
  const fresh = sights.filter(({ made }) => !made).length;
  if (fresh > 0) return { phase: 'Creating', message: told === '' ? `${fresh} bricks are being made` : told };
  if (away.length === 0) return { phase: 'Ready', message: '' };
  const served = groupsOf(shape, sights).every((group) => group.filter(({ up }) => up).length >= bricksNeeded(shape));
  return { phase: served ? 'Degraded' : 'Down', message: told };
}

function whereIs(managed: ManagedSpec, index: number): string {
  const brick = managed.bricks[index] ?? {};
  return brick.node === undefined ? sourceOf(brick) : `${brick.node}:${sourceOf(brick)}`;
}

/** The status of a managed pool, but for its conditions. */
export function managedStatus(
  managed: ManagedSpec,
  sights: readonly BrickSight[],
): Omit<PoolStatus, 'conditions' | 'bricks'> & { readonly bricks: BrickStatus[] } {
  const heals = sights.flatMap(({ pendingHeals }) => (pendingHeals === undefined ? [] : [pendingHeals]));
  return known({
    ...judge(managed, sights),
    layout: `${sights.length / shapeOf(managed).size} x ${describeShape(shapeOf(managed))}`,
    bricksUp: `${sights.filter(({ up }) => up).length}/${sights.length}`,
    // Of some bricks only it would be too little.
    pendingHeals: heals.length === sights.length ? sum(heals) : undefined,
    ...totals(managed, sights),
    bricks: brickStatus(managed, sights),
  });
}

export interface ConditionWish {
  readonly type: string;
  readonly status: Condition['status'];
  readonly reason: string;
  readonly message: string;
}

/** Conditions with the time of their last change. @param now RFC 3339 */
export function conditionsOf(pool: StoragePool, wishes: readonly ConditionWish[], now: string): Condition[] {
  const before = new Map(pool.status.conditions.map((one) => [one.type, one]));
  return wishes.map((wish) => {
    const old = before.get(wish.type);
    return {
      ...wish,
      observedGeneration: pool.metadata.generation,
      lastTransitionTime: old?.status === wish.status ? old.lastTransitionTime : now,
    };
  });
}

/** The condition `Ready` of a pool of that phase. */
export function readyCondition(phase: Phase, message: string): ConditionWish {
  const isReady = phase === 'Ready' || phase === 'Degraded';
  return { type: 'Ready', status: isReady ? 'True' : 'False', reason: phase, message };
}
