import * as v from 'valibot';
import { UsageError } from '../cli/usage-error.js';
import type { ApiObject } from '../kube/api-writer.js';
import { specProblem } from '../operator/pool-config.js';
import { API_VERSION, KIND, storagePoolSchema } from '../operator/storage-pool.js';
import type { Arguments } from './arguments.js';

export const TYPES = ['replica1', 'replica3', 'arbiter', 'disperse', 'external'] as const;

const HELP = 'kubectl kayal pool add --help';
const REPLICA_2 =
  '--type replica2 is refused: with two copies nobody can tell which is right once they differ; take replica3, or arbiter, ' +
  'whose third brick holds names and no data';

function wrong(...problems: readonly string[]): UsageError {
  return new UsageError(problems, HELP);
}

/** `node1:/dev/vdc` */
function placeOf(flag: string, text: string): { readonly node: string; readonly at: string } {
  const [, node, at] = /^([^:/]+):(\/.+)$/.exec(text) ?? [];
  if (node === undefined || at === undefined) throw wrong(`--${flag}: must be NODE:/PATH (is ${JSON.stringify(text)})`);
  return { node, at };
}

/** In the order in which they are given, as that is theirs for good. */
function bricksOf({ inOrder }: Arguments): object[] {
  return inOrder.flatMap(([flag, text]): object[] => {
    if (flag === 'pvc') return [{ pvc: text }];
    if (flag !== 'device' && flag !== 'path') return [];
    const { node, at } = placeOf(flag, text);
    return [{ node, [flag]: at }];
  });
}

function numberOf(given: Arguments, flag: string): number {
  const [text] = given.values[flag] ?? [];
  if (text === undefined) throw wrong(`--${flag} is missing: --type disperse needs --data and --redundancy`);
  if (!/^\d{1,3}$/.test(text)) throw wrong(`--${flag}: must be a number (is ${JSON.stringify(text)})`);
  return Number(text);
}

function layoutOf(type: string, given: Arguments): object {
  switch (type) {
    case 'replica1':
      return { replica: 1 };
    case 'replica3':
      return { replica: 3 };
    case 'arbiter':
      return { replica: 2, arbiter: 1 };
    case 'disperse':
      return { disperse: { data: numberOf(given, 'data'), redundancy: numberOf(given, 'redundancy') } };
    case 'replica2':
      throw wrong(REPLICA_2);
    default:
      throw wrong(`--type: must be one of ${TYPES.join(', ')} (is ${JSON.stringify(type)})`);
  }
}

/** `NAME=VALUE`, each */
export function assignments(flag: string, texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf('=');
      if (at < 1) throw wrong(`${flag}: must be NAME=VALUE (is ${JSON.stringify(text)})`);
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

function ofExternal({ values }: Arguments): object {
  const [volume] = values['volume'] ?? [];
  const hosts = values['host'] ?? [];
  if (volume === undefined || hosts.length === 0)
    throw wrong('--type external needs --host (one or more) and --volume');
  const options = assignments('--option', values['option'] ?? []);
  return { external: { hosts, volume, ...(Object.keys(options).length === 0 ? {} : { options }) } };
}

function ofManaged(type: string, given: Arguments): object {
  const layout = layoutOf(type, given);
  const bricks = bricksOf(given);
  if (bricks.length === 0) throw wrong('there are no bricks: give --device NODE:/DEV, --path NODE:/DIR or --pvc CLAIM');
  return { managed: { ...layout, bricks } };
}

function storageClassOf({ values, switches }: Arguments): object {
  const [name] = values['storage-class'] ?? [];
  const [volumeReclaimPolicy] = values['reclaim-policy'] ?? [];
  if (switches.has('no-storage-class')) return { storageClass: { create: false } };
  if (name === undefined && volumeReclaimPolicy === undefined) return {};
  return {
    storageClass: {
      ...(name === undefined ? {} : { name }),
      ...(volumeReclaimPolicy === undefined ? {} : { volumeReclaimPolicy }),
    },
  };
}

/** Only what only one of the kinds has. */
function refuseOthers(type: string, { values }: Arguments): void {
  const foreign = type === 'external' ? ['device', 'path', 'pvc', 'data', 'redundancy'] : ['host', 'volume', 'option'];
  const given = foreign.filter((flag) => values[flag] !== undefined);
  if (given.length > 0) throw wrong(`${given.map((flag) => `--${flag}`).join(', ')}: does not go with --type ${type}`);
}

/**
 * The object that `pool add` makes.
 * @throws UsageError that says what is wrong and what to take
 */
export function poolObject(given: Arguments): ApiObject {
  const [name, ...more] = given.operands;
  if (name === undefined) throw wrong('the name of the pool is missing');
  if (more.length > 0) throw wrong(`${more.join(' ')}: is one argument too many`);
  if (!/^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/.test(name)) {
    throw wrong(`${name}: a pool is called by at most 40 of a-z, 0-9 and -, with a letter or digit at both ends`);
  }
  const [type] = given.values['type'] ?? [];
  if (type === undefined) throw wrong(`--type is missing: one of ${TYPES.join(', ')}`);
  refuseOthers(type, given);
  const [quota] = given.values['quota'] ?? [];
  const spec = {
    ...(type === 'external' ? ofExternal(given) : ofManaged(type, given)),
    ...(quota === undefined ? {} : { quota }),
    ...storageClassOf(given),
  };
  const parsed = v.safeParse(storagePoolSchema, { metadata: { name, uid: '' }, spec });
  if (!parsed.success) {
    throw wrong(...parsed.issues.map((issue) => `${v.getDotPath(issue) ?? 'spec'}: ${issue.message}`));
  }
  const problem = specProblem(parsed.output);
  if (problem !== undefined) throw wrong(problem);
  return { apiVersion: API_VERSION, kind: KIND, metadata: { name }, spec };
}
