import { parseArgs } from 'node:util';
import { POOL_NAMES, type PoolName } from './stage/pools.js';

/** A driver of somebody else, already running, that is measured in the same run. */
export interface Peer {
  readonly name: string;
  readonly socket: string;
  /** The parameters of its StorageClass. */
  readonly parameters: Readonly<Record<string, string>>;
}

export interface BenchOptions {
  readonly quick: boolean;
  /** Names of measures; empty: all. */
  readonly only: readonly string[];
  readonly pools: readonly PoolName[];
  readonly peers: readonly Peer[];
  readonly rounds: number | undefined;
  /** Where results, table and plots go. */
  readonly out: string;
  readonly saveBaseline: boolean;
}

export const USAGE = `npm run bench -- [OPTION...]

  --quick                        fewer rounds and smaller volumes: minutes
  --only MEASURE                 one measure; may be repeated
  --pool ${POOL_NAMES.join('|')}     one kind of pool; may be repeated
  --peer NAME=SOCKET             another driver that is running, on its unix socket; may be repeated
  --peer-parameter NAME:KEY=VALUE  a StorageClass parameter of that driver; may be repeated
  --rounds N                     rounds of every measure
  --out DIR                      where results go; docs/benchmarks by default
  --save-baseline                the ratios of this run are what later ones are compared with
`;

/** A command line that cannot be understood. */
export class BenchUsageError extends Error {}

/** `NAME=VALUE`, cut at the first separator. */
function cut(text: string, separator: string, what: string): readonly [string, string] {
  const at = text.indexOf(separator);
  if (at <= 0 || at === text.length - 1)
    throw new BenchUsageError(`${what}: ${JSON.stringify(text)} is not of that form`);
  return [text.slice(0, at), text.slice(at + 1)];
}

function peersOf(given: readonly string[], parameters: readonly string[]): readonly Peer[] {
  const peers = given.map((text): Peer & { readonly parameters: Record<string, string> } => {
    const [name, socket] = cut(text, '=', '--peer NAME=SOCKET');
    if (name === 'kayal') throw new BenchUsageError('--peer: kayal is what is measured anyway, take another name');
    return { name, socket: socket.replace(/^unix:(?:\/\/)?/, ''), parameters: {} };
  });
  for (const text of parameters) {
    const [name, rest] = cut(text, ':', '--peer-parameter NAME:KEY=VALUE');
    const [key, value] = cut(rest, '=', '--peer-parameter NAME:KEY=VALUE');
    const peer = peers.find((candidate) => candidate.name === name);
    if (peer === undefined) throw new BenchUsageError(`--peer-parameter: there is no --peer ${name}`);
    peer.parameters[key] = value;
  }
  return peers;
}

function oneOf<T extends string>(allowed: readonly T[], given: readonly string[], flag: string): readonly T[] {
  for (const name of given) {
    if (!allowed.includes(name as T)) {
      throw new BenchUsageError(`${flag}: there is no ${name}, only ${allowed.join(', ')}`);
    }
  }
  return given as readonly T[];
}

/** @throws BenchUsageError */
export function parseOptions(args: readonly string[], measures: readonly string[]): BenchOptions {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        quick: { type: 'boolean', default: false },
        only: { type: 'string', multiple: true, default: [] },
        pool: { type: 'string', multiple: true, default: [] },
        peer: { type: 'string', multiple: true, default: [] },
        'peer-parameter': { type: 'string', multiple: true, default: [] },
        rounds: { type: 'string' },
        out: { type: 'string', default: 'docs/benchmarks' },
        'save-baseline': { type: 'boolean', default: false },
      },
    }));
  } catch (error) {
    throw new BenchUsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
  if (values.rounds !== undefined && !/^[1-9]\d{0,2}$/.test(values.rounds)) {
    throw new BenchUsageError(`--rounds: ${values.rounds} is not a number from 1 to 999`);
  }
  const pools = oneOf(POOL_NAMES, values.pool, '--pool');
  return {
    quick: values.quick,
    only: oneOf(measures, values.only, '--only'),
    pools: pools.length === 0 ? POOL_NAMES : pools,
    peers: peersOf(values.peer, values['peer-parameter']),
    rounds: values.rounds === undefined ? undefined : Number(values.rounds),
    out: values.out,
    saveBaseline: values['save-baseline'],
  };
}
