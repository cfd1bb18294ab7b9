import { failedPrecondition, unavailable } from '../base/errors.js';
import type { MechanismName } from '../quota/mechanism.js';
import type { BrickFinding, BrickLabel } from './brick-label.js';
import type { PoolIdentity } from './pool-identity.js';
import { bricksNeeded, describeShape, groupsOf, unrecordedLayout, type GroupShape } from './volfile/group-shape.js';

export interface BrickPlanInput {
  readonly pool: string;
  readonly quota: MechanismName;
  /** What each group of the bricks is. */
  readonly shape: GroupShape;
  /** The bricks' paths in their order. */
  readonly bricks: readonly string[];
  /** What was found at each. */
  readonly findings: readonly BrickFinding[];
  readonly identity: PoolIdentity | undefined;
}

export interface BrickPlan {
  /** The id that the pool has; undefined: it is a new pool. */
  readonly volumeId: string | undefined;
  /** Per brick: use it as it is, make it, or go on without it for this reason. */
  readonly steps: readonly ('use' | 'make' | { readonly missing: string })[];
}

type Labelled = Extract<BrickFinding, { kind: 'labelled' }>;

function isLabelled(finding: BrickFinding): finding is Labelled {
  return finding.kind === 'labelled';
}

/** What is wrong with a brick that says about itself that it is another one; undefined: nothing. */
export function contradiction(
  label: BrickLabel,
  index: number,
  input: Pick<BrickPlanInput, 'pool' | 'quota' | 'shape' | 'bricks'> & {
    readonly identity: Pick<PoolIdentity, 'volumeId'> | undefined;
  },
): string | undefined {
  const { pool, quota, shape, bricks, identity } = input;
  if (label.pool !== pool) return `is a brick of pool ${label.pool}: take it out of pool ${pool}`;
  if (label.count !== bricks.length) {
    return `was made for a pool of ${label.count} bricks: the number of bricks cannot be changed`;
  }
  if (label.layout !== describeShape(shape)) {
    return `was made for ${label.layout}, which cannot be changed to ${describeShape(shape)}`;
  }
  if (label.index !== index) {
    return `is brick ${label.index} of the pool, but the configuration lists it as ${index}: put the bricks back in their order`;
  }
  if (label.quota !== quota) {
    return `was made for quota ${label.quota}, which cannot be changed to ${quota}`;
  }
  if (identity !== undefined && label.volumeId !== identity.volumeId) {
    return `belongs to another pool that is called ${pool} too (${label.volumeId}, not ${identity.volumeId})`;
  }
  return undefined;
}

function refuseContradictions(input: BrickPlanInput): void {
  for (const [index, finding] of input.findings.entries()) {
    const path = input.bricks[index] ?? '';
    const wrong = finding.kind === 'labelled' ? contradiction(finding.label, index, input) : undefined;
    if (wrong !== undefined) throw failedPrecondition(`pool ${input.pool}: ${path} ${wrong}`);
    if (finding.kind === 'foreign') {
      throw failedPrecondition(
        `pool ${input.pool}: ${path} holds ${finding.what}: give the pool an empty directory, or one that does not exist yet`,
      );
    }
  }
  const ids = new Set(input.findings.filter(isLabelled).map(({ label }) => label.volumeId));
  if (ids.size > 1) {
    throw failedPrecondition(
      `pool ${input.pool}: its bricks belong to different pools of that name (${[...ids].join(', ')})`,
    );
  }
}

const ABSENT_TEXT = {
  'no-parent': 'neither it nor its parent directory exists',
  absent: 'it does not exist',
  empty: 'it is empty',
} as const;

function refuseOtherIdentity({ pool, quota, shape, bricks, identity }: BrickPlanInput): void {
  if (identity === undefined) return;
  if (identity.pool !== pool) {
    throw failedPrecondition(`pool ${pool}: its state directory belongs to pool ${identity.pool}`);
  }
  if (identity.bricks.length !== bricks.length) {
    throw failedPrecondition(
      `pool ${pool} was made with ${identity.bricks.length} bricks: their number cannot be changed`,
    );
  }
  const layout = identity.layout ?? unrecordedLayout(bricks.length);
  if (layout !== describeShape(shape)) {
    throw failedPrecondition(`pool ${pool} was made for ${layout}, which cannot be changed to ${describeShape(shape)}`);
  }
  if (identity.quota !== quota) {
    throw failedPrecondition(`pool ${pool} was made for quota ${identity.quota}, which cannot be changed to ${quota}`);
  }
}

/**
 * Decides from what is there what to do with each brick. A directory becomes a brick only while no brick holds data:
 * where data was, an empty directory is a disk that is not mounted.
 * @throws KayalError FAILED_PRECONDITION for bricks that are other ones than configured, UNAVAILABLE when too few are there
 */
export function planBricks(input: BrickPlanInput): BrickPlan {
  const { pool, shape, identity, findings, bricks } = input;
  refuseOtherIdentity(input);
  refuseContradictions(input);
  const isNew = identity?.state !== 'ready' && !findings.some((finding) => isLabelled(finding) && finding.hasData);
  const steps = findings.map((finding, index): BrickPlan['steps'][number] => {
    const path = bricks[index] ?? '';
    if (finding.kind === 'labelled') return 'use';
    if (finding.kind === 'foreign') throw failedPrecondition(`pool ${pool}: ${path} holds ${finding.what}`);
    if (finding.kind === 'unreadable') return { missing: `brick ${path} cannot be read: ${finding.reason}` };
    if (!isNew) {
      return {
        missing: `brick ${path} is missing (${ABSENT_TEXT[finding.kind]}) while the pool is not new: is its disk mounted?`,
      };
    }
    if (finding.kind === 'no-parent') {
      throw failedPrecondition(
        `pool ${pool}: the parent directory of brick ${path} does not exist: create it, or mount the disk that it is on`,
      );
    }
    return 'make';
  });
  const missing = steps.flatMap((step) => (typeof step === 'object' ? [step.missing] : []));
  const isServed = (group: readonly BrickPlan['steps'][number][]): boolean =>
    group.filter((step) => typeof step !== 'object').length >= bricksNeeded(shape);
  // A new pool starts whole, and a group that lacks too many serves nobody.
  if ((isNew && missing.length > 0) || !groupsOf(shape, steps).every(isServed)) {
    throw unavailable(`pool ${pool}: ${missing.join('; ')}`);
  }
  const volumeId = identity?.volumeId ?? findings.find(isLabelled)?.label.volumeId;
  return { volumeId, steps };
}
