import { setTimeout as sleep } from 'node:timers/promises';
import { failedPrecondition } from '../base/errors.js';
import { VERSION } from '../base/version.js';
import { UsageError } from '../cli/usage-error.js';
import { describeVolumes } from '../operator/pool-volumes.js';
import type { Arguments } from './arguments.js';
import { PoolCluster } from './cluster.js';
import { usageOf, COMMANDS, type CommandName } from './commands.js';
import { completionFor } from './completion.js';
import { poolObject } from './pool-object.js';
import { setPatch, unsetPatch } from './pool-options.js';
import { describePool, poolTable, printed } from './show.js';

/** Where a command writes what it has to say. */
export interface Streams {
  readonly out: (text: string) => void;
  /** Progress, which no program reads. */
  readonly err: (text: string) => void;
}

const POLL_MS = 2_000;
/** A disk of many TiB is looked at and formatted within seconds; images may have to be pulled. */
const WAIT_MS = 10 * 60_000;

function formatOf({ values }: Arguments): 'json' | 'yaml' | undefined {
  const [format] = values['output'] ?? [];
  if (format === undefined || format === 'json' || format === 'yaml') return format;
  throw new UsageError([`-o: must be json or yaml (is ${JSON.stringify(format)})`], 'kubectl kayal --help');
}

function onlyOperand(command: CommandName, { operands }: Arguments, what: string): string {
  const [first, ...more] = operands;
  const help = `kubectl kayal ${COMMANDS[command].words.join(' ')} --help`;
  if (first === undefined) throw new UsageError([`${what} is missing`], help);
  if (more.length > 0) throw new UsageError([`${more.join(' ')}: is one argument too many`], help);
  return first;
}

/** Prints each new sentence once. @returns when `ask` has an answer */
async function waitWith<T>(streams: Streams, what: string, ask: () => Promise<{ done?: T; say: string }>): Promise<T> {
  const until = performance.now() + WAIT_MS;
  let said = '';
  for (;;) {
    const { done, say } = await ask();
    if (say !== said && say !== '') streams.err(`${say}\n`);
    said = say;
    if (done !== undefined) return done;
    if (performance.now() > until)
      throw failedPrecondition(`${what} within ${WAIT_MS / 60_000} minutes; last: ${said}`);
    await sleep(POLL_MS);
  }
}

async function addPool(cluster: () => Promise<PoolCluster>, given: Arguments, streams: Streams): Promise<void> {
  const object = poolObject(given);
  const { name } = object.metadata;
  const format = formatOf(given);
  if (given.switches.has('dry-run')) {
    streams.out(printed(format ?? 'yaml', object));
    return;
  }
  const to = await cluster();
  await to.create(object);
  streams.err(`pool ${name} is being made\n`);
  if (!given.switches.has('no-wait')) {
    await waitWith(streams, `pool ${name} was not ready`, async () => {
      const { status } = (await to.get(name)).pool;
      const { phase = 'Creating', message = '', bricksUp = '' } = status;
      if (phase === 'Invalid')
        throw failedPrecondition(
          `pool ${name}: ${message}; mend it with "kubectl edit storagepool ${name}", or remove it`,
        );
      const say = `${phase}${bricksUp === '' ? '' : `, bricks up: ${bricksUp}`}${message === '' ? '' : `: ${message}`}`;
      return { say, ...(phase === 'Ready' ? { done: true } : {}) };
    });
  }
  const { pool, raw } = await to.get(name);
  streams.out(format === undefined ? poolTable([pool]) : printed(format, raw));
}

async function listPools(to: PoolCluster, given: Arguments, streams: Streams): Promise<void> {
  const format = formatOf(given);
  let last: string | undefined;
  for (;;) {
    const pools = await to.list();
    const text =
      format === undefined
        ? pools.length === 0
          ? 'there are no pools; see "kubectl kayal pool add --help"\n'
          : poolTable(pools.map(({ pool }) => pool))
        : printed(
            format,
            pools.map(({ raw }) => raw),
          );
    if (text !== last) streams.out(last === undefined ? text : `\n${text}`);
    last = text;
    if (!given.switches.has('watch')) return;
    await sleep(POLL_MS);
  }
}

async function changePool(
  to: PoolCluster,
  given: Arguments,
  streams: Streams,
  patchFor: typeof setPatch,
): Promise<void> {
  const [name, ...options] = given.operands;
  if (name === undefined) throw new UsageError(['the name of the pool is missing'], 'kubectl kayal pool set --help');
  const { pool } = await to.get(name);
  const patch = patchFor(pool, options);
  const format = formatOf(given);
  if (given.switches.has('dry-run')) {
    streams.out(printed(format ?? 'yaml', patch));
    return;
  }
  const { raw } = await to.patch(name, patch);
  streams.out(format === undefined ? `pool ${name} is changed\n` : printed(format, raw));
}

async function removePool(to: PoolCluster, given: Arguments, streams: Streams): Promise<void> {
  const name = onlyOperand('poolRemove', given, 'the name of the pool');
  await to.get(name);
  const volumes = await to.volumesIn(name);
  if (volumes.length > 0) {
    throw failedPrecondition(
      `pool ${name} is not removed: it has ${volumes.length} volumes: ${describeVolumes(volumes)}; delete their claims first`,
    );
  }
  await to.remove(name);
  if (!given.switches.has('no-wait')) {
    await waitWith(streams, `pool ${name} was not gone`, async () => {
      const found = await to.find(name);
      return found === undefined
        ? { done: true, say: '' }
        : { say: found.pool.status.message ?? 'it is being removed' };
    });
  }
  streams.out(`pool ${name} is removed; what is on its bricks stays\n`);
}

/** Runs a command. @throws UsageError, KayalError */
export async function runCommand(command: CommandName, given: Arguments, streams: Streams): Promise<void> {
  let connected: PoolCluster | undefined;
  const cluster = async (): Promise<PoolCluster> =>
    (connected ??= await PoolCluster.connect(given.values['kubeconfig']?.[0]));
  try {
    switch (command) {
      case 'version':
        streams.out(`kubectl-kayal ${VERSION}\n`);
        return;
      case 'completion': {
        const script = completionFor(onlyOperand(command, given, 'bash or zsh'));
        if (script === undefined) throw new UsageError(['must be bash or zsh'], usageOf(COMMANDS.completion).trim());
        streams.out(script);
        return;
      }
      case 'poolAdd':
        await addPool(cluster, given, streams);
        return;
      case 'poolList':
        await listPools(await cluster(), given, streams);
        return;
      case 'poolDescribe': {
        const format = formatOf(given);
        const { pool, raw } = await (await cluster()).get(onlyOperand(command, given, 'the name of the pool'));
        streams.out(format === undefined ? describePool(pool) : printed(format, raw));
        return;
      }
      case 'poolSet':
        await changePool(await cluster(), given, streams, setPatch);
        return;
      case 'poolUnset':
        await changePool(await cluster(), given, streams, unsetPatch);
        return;
      case 'poolRemove':
        await removePool(await cluster(), given, streams);
        return;
    }
  } finally {
    connected?.close();
  }
}
