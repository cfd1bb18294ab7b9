import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mustRun } from '../lib/run-command.js';
import { waitFor } from '../lib/wait.js';
import type { PostgresServer } from './postgres-server.js';

const PAUSE_MS = 5;
/** psql(1): "if the connection to the server went bad and the session was not interactive". */
const CONNECTION_LOST = 2;

/** What one session was told. */
export interface LedgerReport {
  readonly committed: number;
  /** SQLSTATEs of what was not committed; `lost` when the connection ended before there was an answer. */
  readonly errors: readonly string[];
  /** How long one commit took at the most. */
  readonly longestMs: number;
}

/** Commits numbered rows one after the other, and remembers which of them it was told to be committed. */
export class CommitLedger {
  readonly #server: PostgresServer;
  readonly #committed: number[] = [];
  #last = 0;
  /** Of the session. */
  #errors: string[] = [];
  #end: (() => Promise<LedgerReport>) | undefined;

  private constructor(server: PostgresServer) {
    this.#server = server;
  }

  static async create(server: PostgresServer): Promise<CommitLedger> {
    await server.query('CREATE TABLE ledger (number int PRIMARY KEY, filler text); CREATE INDEX ON ledger (filler)');
    return new CommitLedger(server);
  }

  /** Begins a session, which goes on until `end` or until the server ends it. */
  start(): void {
    const [psql, args] = this.#server.client('psql', '-X', '-q', '-A', '-t', 'postgres');
    const child = spawn(psql, args, { stdio: ['pipe', 'pipe', 'ignore'] });
    const ended = once(child, 'close');
    const before = this.#committed.length;
    const errors: string[] = [];
    this.#errors = errors;
    let longestMs = 0;
    let isEnding = false;
    let began = 0;
    child.stdin.on('error', () => undefined);
    const next = (): void => {
      if (isEnding) {
        child.stdin.end();
        return;
      }
      began = performance.now();
      const values = `${++this.#last}, md5('${this.#last}') || repeat('-', ${this.#last % 500})`;
      // The server answers when the commit is on stable storage (synchronous_commit); then psql says how it went.
      child.stdin.write(`INSERT INTO ledger VALUES (${values});\n\\echo ${this.#last} :SQLSTATE\n`);
    };
    let rest = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const [number, state = ''] = line.split(' ');
        longestMs = Math.max(longestMs, performance.now() - began);
        if (state === '00000') this.#committed.push(Number(number));
        else errors.push(state);
        setTimeout(next, PAUSE_MS);
      }
    });
    next();
    this.#end = async () => {
      isEnding = true;
      const [code] = (await ended) as [number | null];
      if (code === CONNECTION_LOST) errors.push('lost');
      else if (code !== 0) throw new Error(`psql ended with ${code ?? 'a signal'}`);
      return { committed: this.#committed.length - before, errors, longestMs: Math.round(longestMs) };
    };
  }

  /** Waits for some more commits. @throws Error when one fails meanwhile, or there are none for a minute */
  async goesOn(commits = 20): Promise<void> {
    const wanted = this.#committed.length + commits;
    await waitFor(`${commits} more commits`, () => {
      if (this.#errors.length > 0) throw new Error(`not committed: ${this.#errors.join(', ')}`);
      return this.#committed.length >= wanted ? true : undefined;
    });
  }

  /** Ends the session. */
  async end(): Promise<LedgerReport> {
    if (this.#end === undefined) throw new Error('there is no session');
    return this.#end();
  }

  /** The rows that were committed and are not there. */
  async missing(): Promise<number[]> {
    const there = new Set(await this.#server.query('SELECT number FROM ledger'));
    return this.#committed.filter((number) => !there.has(String(number)));
  }
}

/** What pgbench said at its end. */
export interface BenchmarkReport {
  /** Transactions of which it was told that they are committed. */
  readonly committed: number;
  readonly failed: number;
  /** False when the server left a client alone. */
  readonly isComplete: boolean;
  readonly output: string;
}

export const BENCHMARK_CLIENTS = 4;

/** Makes the tables of pgbench(1). */
export async function prepareBenchmark(server: PostgresServer): Promise<void> {
  await mustRun(...server.client('pgbench', '--initialize', '--quiet', 'postgres'), { timeoutMs: 120_000 });
}

/** Transactions like those of TPC-B, as fast as they go. @returns what ends them */
export function startBenchmark(server: PostgresServer): () => Promise<BenchmarkReport> {
  // Without --no-vacuum it would empty the table of what was done before.
  const options = ['--no-vacuum', `--client=${BENCHMARK_CLIENTS}`, '--time=3600'];
  const [pgbench, args] = server.client('pgbench', ...options, 'postgres');
  const child = spawn(pgbench, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'close');
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  }
  return async () => {
    // What --time sets for later: each client finishes its transaction, then there is the report.
    child.kill('SIGALRM');
    const [code] = (await ended) as [number | null];
    const count = (what: string): number => Number(new RegExp(`^number of ${what}: (\\d+)`, 'm').exec(output)?.[1]);
    const report = { committed: count('transactions actually processed'), failed: count('failed transactions') };
    if (Number.isNaN(report.committed + report.failed)) throw new Error(`pgbench ended with ${code}: ${output}`);
    return { ...report, isComplete: code === 0, output };
  };
}

/** The sums of pgbench's tables, which every transaction changes by the same, and how many transactions there were. */
export async function balances(server: PostgresServer): Promise<{ sums: readonly string[]; transactions: number }> {
  const [row = ''] = await server.query(
    `SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM pgbench_tellers),
       (SELECT sum(bbalance) FROM pgbench_branches), coalesce(sum(delta), 0), count(*) FROM pgbench_history`,
  );
  const columns = row.split('|');
  return { sums: columns.slice(0, 4), transactions: Number(columns[4]) };
}
