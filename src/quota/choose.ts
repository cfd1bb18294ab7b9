import { failedPrecondition, KayalError } from '../base/errors.js';
import type { MechanismName, QuotaMechanism } from './mechanism.js';

/** A mechanism, or why this pool cannot have it. */
export type Candidate = QuotaMechanism | { readonly impossible: string };

/** How each that keeps limits is made. Asked only for those that are to be tried: `none` works where there are no others. */
export type Candidates = Readonly<Record<Exclude<MechanismName, 'none'>, () => Promise<Candidate>>>;

export interface ChoiceOptions {
  readonly pool: string;
  /** The config's `quota`. */
  readonly wanted: MechanismName | 'auto';
  /** What `.kayal/pool.json` says; undefined for a new pool. */
  readonly recorded: MechanismName | undefined;
  /** Sets of bricks that the pool distributes its files over; 1 for a directory pool. */
  readonly groups: number;
  readonly candidates: Candidates;
  readonly none: QuotaMechanism;
}

/**
 * The order in which `auto` tries. On several groups a limit per brick says "full" while there is space on other
 * bricks, so what counts across all of them comes first.
 */
export function autoOrder(groups: number): readonly (keyof Candidates)[] {
  return groups > 1 ? ['gluster', 'project'] : ['project', 'gluster', 'simple'];
}

/** @returns the mechanism, or why it does not work. What may pass by itself is thrown: it must not decide for good. */
async function tried(make: () => Promise<Candidate>): Promise<QuotaMechanism | string> {
  const candidate = await make();
  if ('impossible' in candidate) return candidate.impossible;
  try {
    await candidate.probe();
    return candidate;
  } catch (error) {
    await candidate.close?.();
    if (error instanceof KayalError && error.code === 'FAILED_PRECONDITION') return error.message;
    throw error;
  }
}

async function chooseNamed(options: ChoiceOptions, name: MechanismName): Promise<QuotaMechanism> {
  const { pool, recorded, candidates, none } = options;
  if (name === 'none') return none;
  const found = await tried(candidates[name]);
  if (typeof found !== 'string') return found;
  const since = recorded === undefined ? '' : ', which the pool was made with,';
  throw failedPrecondition(`pool ${pool}: quota ${name}${since} does not work: ${found}`);
}

/**
 * The mechanism of a pool, probed: the one on record, else the one that the config names, else the first that works.
 * @throws KayalError FAILED_PRECONDITION that says what was tried and why it does not work, or that config and record
 *   disagree; whatever a probe throws that says nothing about the mechanism, such as UNAVAILABLE
 */
export async function chooseMechanism(options: ChoiceOptions): Promise<QuotaMechanism> {
  const { pool, wanted, recorded, groups, candidates } = options;
  if (recorded !== undefined) {
    if (wanted !== 'auto' && wanted !== recorded) {
      throw failedPrecondition(
        `pool ${pool}: the config says quota ${wanted}, and the limits of its volumes are kept by ${recorded}: ` +
          `set quota to ${recorded} or auto, or use a new pool`,
      );
    }
    return chooseNamed(options, recorded);
  }
  if (wanted !== 'auto') return chooseNamed(options, wanted);
  const problems: string[] = [];
  for (const name of autoOrder(groups)) {
    const found = await tried(candidates[name]);
    if (typeof found !== 'string') return found;
    problems.push(`${name}: ${found}`);
  }
  throw failedPrecondition(
    `pool ${pool}: no quota mechanism works (a pool without limits must say "quota: none"). ${problems.join('. ')}`,
  );
}
