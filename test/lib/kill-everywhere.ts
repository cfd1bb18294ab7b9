import { labelOfPoint } from './call-sites.js';
import { IS_LONG } from '../runner/long.js';
import { visitedSites, type FaultFile, type KillPoint } from './fault-file.js';

/** A process that is killed again and again. */
export interface Victim {
  readonly faults: FaultFile;
  /** Starts it again after a kill. */
  revive(): Promise<void>;
  /** Looks at all that is left behind, once what was cut off is finished: see Invariants. @throws Error with what is wrong */
  expectInvariants(look: 'first' | 'again'): Promise<void>;
}

export interface KilledCall {
  /** In the crash matrix: the name of the RPC, command or job. */
  readonly what: string;
  readonly call: () => Promise<unknown>;
  /** After each kill and restart: finishes what was cut off, looks at it, and leaves all as it was before the call. */
  readonly check: () => Promise<void>;
  /** How many points to visit, spread over all that the call has; call sites that are new to the run come on top. Default: all. */
  readonly most?: number | undefined;
}

export interface Visited {
  readonly visited: number;
  /** The points that the call has. */
  readonly all: number;
}

const isBefore = ({ point }: KillPoint): boolean => point.endsWith('/before');

/** Passes that both traces have: others are of what the background did just then. */
export function commonPasses(one: readonly string[], other: readonly string[]): KillPoint[] {
  const passes = numbered(one);
  const all = new Set(passes.map(({ point, pass }) => `${pass} ${point}`));
  return numbered(other).filter(({ point, pass }) => all.has(`${pass} ${point}`));
}

function numbered(trace: readonly string[]): KillPoint[] {
  const seen = new Map<string, number>();
  return trace.map((point) => {
    const pass = (seen.get(point) ?? 0) + 1;
    seen.set(point, pass);
    return { point, pass };
  });
}

/**
 * Which points to visit. The state after one call is that before the next: of each call but the last only the point before it.
 */
export function choosePoints(passes: readonly KillPoint[], most: number, wanted: ReadonlySet<string>): KillPoint[] {
  const befores = passes.filter(isBefore);
  const isNew = ({ point, pass }: KillPoint): boolean => pass === 1 && wanted.has(point);
  const step = Math.max(1, Math.ceil(befores.length / most));
  const chosen = befores.filter((one, index) => index % step === 0 || isNew(one));
  return [...chosen, ...passes.slice(-1).filter((last) => !isBefore(last))];
}

/**
 * Runs `call` with a kill at a point, and starts the victim again.
 * @returns false when the call ended before that point, and nothing was killed
 * @throws Error when it failed without having been killed
 */
export async function killAt(victim: Victim, at: KillPoint, { what, call }: KilledCall): Promise<boolean> {
  await victim.faults.arm(at);
  const failure = await call().then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  await victim.faults.disarm();
  if (!(await victim.faults.hasKilled(what))) {
    if (failure === undefined) return false;
    throw new Error(`${what} failed without a kill (at ${at.point}, pass ${at.pass})`, { cause: failure.error });
  }
  await victim.revive();
  return true;
}

/** Points of call sites at which nothing was killed in this run. */
async function neverVisited(passes: readonly KillPoint[]): Promise<Set<string>> {
  const visited = await visitedSites();
  const wanted = new Set<string>();
  for (const { point } of passes) if (!visited.has(await labelOfPoint(point))) wanted.add(point);
  return wanted;
}

/** Kills a call at one point after the other. */
export async function killEverywhere(victim: Victim, killed: KilledCall): Promise<Visited> {
  const { what, call, check, most = Number.POSITIVE_INFINITY } = killed;
  // A process that is killed next has just been started, and has everything still to do once.
  await victim.revive();
  const first = await victim.faults.trace(call);
  await check();
  await victim.revive();
  const passes = commonPasses(first, await victim.faults.trace(call));
  await check();
  await victim.expectInvariants('first');
  const wanted = await neverVisited(passes);
  let visited = 0;
  for (const at of choosePoints(passes, IS_LONG ? Number.POSITIVE_INFINITY : most, wanted)) {
    if (await killAt(victim, at, killed)) visited++;
    try {
      await check();
      await victim.expectInvariants('again');
    } catch (error) {
      throw new Error(`${what}, killed at ${at.point} (pass ${at.pass})`, { cause: error });
    }
  }
  return { visited, all: passes.length };
}
