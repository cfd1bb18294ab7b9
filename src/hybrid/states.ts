/*
 * The states of a volume in its directory of the pool, `state.<turn>.<n>`: `turn` is that of the node that wrote it, or that
 * took it over from a former one (volumes/leases/hybrid-turn.ts), `n` grows. A file gets that name when it is complete, and
 * never changes then.
 *
 * The state that counts is the highest `n` of the highest turn. A node that lost its turn may still write states of its own:
 * the next one has given those that it builds upon a name with its own, higher turn, so they count for nobody.
 */
import { aborted, isErrno, messageOf, unavailable } from '../base/errors.js';
import type { Tree } from '../linux/tree.js';
import { decodeStart, fileBytesOf, startBytes, type StateStart } from './format.js';

export interface StateName {
  readonly turn: number;
  readonly n: number;
}

/** A state with all that it builds upon. */
export interface CompleteState extends StateName, StateStart {
  /** The states to apply, one after the other, the last is this one. */
  readonly steps: readonly StateName[];
  /** Of all their files. */
  readonly bytes: number;
}

const NAME = /^state\.([1-9]\d{0,14})\.([1-9]\d{0,14})$/;
const TEMPORARY = /^\.state\.([1-9]\d{0,14})\.[1-9]\d{0,14}\.new$/;
/** Most beginnings are shorter. */
const FIRST_BYTES = 64 * 1024;
/** They change while they are looked at: a node syncs, or takes them over. */
const LOOKS = 8;

export function stateFile(directory: string, { turn, n }: StateName): string {
  return `${directory}/state.${turn}.${n}`;
}

/** Named so that DHT puts it on the same group as the final name (cluster.rsync-hash-regex). */
export function stateTemporary(directory: string, { turn, n }: StateName): string {
  return `${directory}/.state.${turn}.${n}.new`;
}

/** @throws SystemError; KayalError UNAVAILABLE for a file that is not a whole state; undefined: it is gone */
export async function readState(tree: Tree, directory: string, name: StateName): Promise<StateStart | undefined> {
  const path = stateFile(directory, name);
  const read = async (bytes: number): Promise<Buffer> => Buffer.from(await tree.call('readImageStart', [path, bytes]));
  try {
    const first = await read(FIRST_BYTES);
    const bytes = startBytes(first);
    const start = decodeStart(bytes > first.length && first.length === FIRST_BYTES ? await read(bytes) : first);
    const size = await tree.call('imageSize', [path]);
    if (size === undefined) return undefined;
    if (size < BigInt(fileBytesOf(start))) throw new Error(`it has ${size} bytes of ${fileBytesOf(start)}`);
    return start;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESTALE')) return undefined;
    if (isErrno(error)) throw error;
    if (error instanceof Error && 'code' in error) throw error;
    throw unavailable(`the state ${path} is damaged: ${messageOf(error)}`, { cause: error });
  }
}

export async function listStates(tree: Tree, directory: string): Promise<StateName[]> {
  return ((await tree.list(directory)) ?? []).flatMap(({ name }) => {
    const match = NAME.exec(name);
    return match === null ? [] : [{ turn: Number(match[1]), n: Number(match[2]) }];
  });
}

/** The one that counts; undefined: there is none. */
export function headOf(states: readonly StateName[]): StateName | undefined {
  const turn = Math.max(...states.map((state) => state.turn));
  return states
    .filter((state) => state.turn === turn)
    .sort((a, b) => a.n - b.n)
    .at(-1);
}

/** The file of each state that `head` builds upon; undefined when one is missing. */
export function stepsOf(
  states: readonly StateName[],
  head: StateName,
  before: readonly { readonly n: number }[],
): StateName[] | undefined {
  const steps: StateName[] = [];
  for (const { n } of before) {
    // Of a lower turn only until the new holder has named them all.
    const found = states.filter((state) => state.n === n && state.turn <= head.turn).sort((a, b) => a.turn - b.turn);
    const last = found.at(-1);
    if (last === undefined) return undefined;
    steps.push(last);
  }
  return [...steps, head];
}

/**
 * The state of a volume that counts; undefined: nothing was ever synced.
 * @throws KayalError UNAVAILABLE when it is damaged or not all of it is there; ABORTED while it changes all the time
 */
export async function currentState(tree: Tree, directory: string): Promise<CompleteState | undefined> {
  let missing = false;
  for (let look = 0; look < LOOKS; look++) {
    const states = await listStates(tree, directory);
    const head = headOf(states);
    if (head === undefined) return undefined;
    const start = await readState(tree, directory, head);
    if (start === undefined) continue;
    const steps = stepsOf(states, head, start.header.before);
    missing = steps === undefined;
    if (steps === undefined) continue;
    const bytes = start.header.before.reduce((sum, step) => sum + step.bytes, fileBytesOf(start));
    return { ...head, ...start, steps, bytes };
  }
  const what = `the state of ${directory}`;
  throw missing ? unavailable(`${what} is not complete; see "kayal doctor"`) : aborted(`${what} changes; retry`);
}

/** Gives the state that counts, and all that it builds upon, names of a turn: from then on nobody else's are of interest. */
export async function adoptStates(
  tree: Tree,
  directory: string,
  turn: number,
  state: CompleteState,
): Promise<CompleteState> {
  // The head first: with it this turn is the highest one that has states.
  for (const step of state.steps.toReversed()) {
    if (step.turn === turn) continue;
    if (!(await tree.rename(stateFile(directory, step), stateFile(directory, { turn, n: step.n })))) {
      throw aborted(`the state of ${directory} changes; retry`);
    }
  }
  return { ...state, turn, steps: state.steps.map(({ n }) => ({ turn, n })) };
}

/**
 * Removes the files of all other states, and what was begun. What has a higher turn is somebody else's: a node that was
 * stopped and goes on late must not touch it.
 * @param keep the states of a turn
 */
export async function removeOtherStates(
  tree: Tree,
  directory: string,
  turn: number,
  keep: readonly StateName[],
): Promise<void> {
  const kept = new Set(keep.map((state) => stateFile('', state).slice(1)));
  for (const { name } of (await tree.list(directory)) ?? []) {
    const match = NAME.exec(name) ?? TEMPORARY.exec(name);
    if (match !== null && Number(match[1]) <= turn && !kept.has(name)) await tree.unlink(`${directory}/${name}`);
  }
}
