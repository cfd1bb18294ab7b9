import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { messageOf } from '../base/errors.js';
import { VERSION } from '../base/version.js';
import { COMMANDS, type CommandName, type CommandSpec } from './command-table.js';
import {
  DEFAULTS,
  defaultEndpoint,
  environmentName,
  FLAGS,
  isFlagName,
  type FlagName,
  type FlagValues,
  type LogLevel,
} from './flag-table.js';
import { commandHelp, overview } from './help.js';
import { UsageError } from './usage-error.js';

/** How a role runs; docs/operations.md says what each setting is for. */
export interface Settings {
  /** Absolute paths. */
  readonly config: string;
  readonly stateDir: string;
  readonly kubeletDir: string;
  /** `unix:///absolute/path`, or an absolute path. */
  readonly endpoint: string;
  readonly nodeId: string;
  /** HOST:PORT or :PORT; no metrics without it. */
  readonly metricsAddress?: string | undefined;
  readonly logLevel: LogLevel;
  /** The group that may use the socket; root alone without it. */
  readonly socketGroup?: number | undefined;
}

/** What the command line asks for. */
export type Command =
  | { readonly kind: 'print'; readonly text: string }
  | { readonly kind: 'all' | 'controller' | 'node'; readonly settings: Settings }
  | { readonly kind: 'configCheck'; readonly file: string }
  | { readonly kind: 'doctor'; readonly settings: Settings; readonly pool?: string | undefined }
  | { readonly kind: 'poolTakeover' | 'poolForget'; readonly settings: Settings; readonly pool: string };

export type Environment = Readonly<Record<string, string | undefined>>;

/** The command whose words come first, whatever stands after them. */
function findCommand(args: readonly string[]): [CommandName, CommandSpec] | undefined {
  const entries = Object.entries(COMMANDS) as [CommandName, CommandSpec][];
  return entries.find(([, { words }]) => words.every((word, index) => args[index] === word));
}

function noSuchCommand(args: readonly string[]): UsageError {
  const word = args[0];
  if (word === undefined) return new UsageError(['a command is missing'], 'kayal --help');
  if (word.startsWith('-')) return new UsageError([`${word}: is not a flag of kayal itself`], 'kayal --help');
  const siblings = Object.values(COMMANDS).filter(({ words }: CommandSpec) => words.length > 1 && words[0] === word);
  const names = (siblings.length > 0 ? siblings : Object.values(COMMANDS)).map(({ words }) => words.join(' '));
  return new UsageError(
    [`${args.slice(0, siblings.length > 0 ? 2 : 1).join(' ')}: is not a command; there is ${names.join(', ')}`],
    'kayal --help',
  );
}

interface Arguments {
  readonly texts: ReadonlyMap<FlagName, string>;
  readonly operands: readonly string[];
  readonly wantsHelp: boolean;
  readonly problems: readonly string[];
}

/** `--config --node-id n1`: what stands there is the next flag, though parseArgs takes it for the value. */
function isMissing(value: string | undefined, isInline: boolean | undefined): value is undefined {
  return value === undefined || value === '' || (isInline !== true && value.startsWith('--'));
}

/** parseArgs in its lenient mode, so that every unknown flag is told of, not only the first. */
function readArguments(args: readonly string[], spec: CommandSpec): Arguments {
  const options = Object.fromEntries(spec.flags.map((name) => [name, { type: 'string' as const }]));
  const { tokens } = parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true });
  const texts = new Map<FlagName, string>();
  const operands: string[] = [];
  const problems: string[] = [];
  let wantsHelp = false;
  for (const token of tokens) {
    if (token.kind === 'positional') operands.push(token.value);
    if (token.kind !== 'option') continue;
    const { name, rawName, value, inlineValue } = token;
    if (rawName === '--help' || rawName === '-h') wantsHelp = true;
    else if (!isFlagName(name) || !spec.flags.includes(name) || !rawName.startsWith('--')) {
      const known = spec.flags.map((flag) => `--${flag}`).join(', ');
      problems.push(
        `${rawName}: is not a flag of kayal ${spec.words.join(' ')}${known === '' ? '' : `; there is ${known}`}`,
      );
    } else if (isMissing(value, inlineValue)) problems.push(`${rawName}: needs a value (${FLAGS[name].placeholder})`);
    else texts.set(name, value);
  }
  return { texts, operands, wantsHelp, problems };
}

/** Flags before the environment; an empty variable counts as not set. */
function readFlags(spec: CommandSpec, given: Arguments, env: Environment, problems: string[]): FlagValues {
  const values: Partial<Record<FlagName, unknown>> = {};
  for (const name of spec.flags) {
    const variable = environmentName(name);
    const fromFlag = given.texts.get(name);
    const text = fromFlag ?? env[variable];
    if (text === undefined || text === '') continue;
    try {
      values[name] = FLAGS[name].parse(text);
    } catch (error) {
      const source = fromFlag === undefined ? variable : `--${name}`;
      problems.push(`${source}: ${messageOf(error)} (is ${JSON.stringify(text)})`);
    }
  }
  return values as FlagValues;
}

function toSettings(values: FlagValues): Settings {
  const kubeletDir = values['kubelet-dir'] ?? DEFAULTS.kubeletDir;
  return {
    config: values.config ?? DEFAULTS.config,
    stateDir: values['state-dir'] ?? DEFAULTS.stateDir,
    kubeletDir,
    endpoint: values.endpoint ?? defaultEndpoint(kubeletDir),
    nodeId: values['node-id'] ?? hostname(),
    metricsAddress: values['metrics-address'],
    logLevel: values['log-level'] ?? DEFAULTS.logLevel,
    socketGroup: values['socket-group'],
  };
}

/** Says nothing after other problems: what follows a flag that is not known may have been its value. */
function checkOperands(spec: CommandSpec, operands: readonly string[], problems: string[]): string {
  if (problems.length > 0) return '';
  const wanted = spec.operand === undefined ? 0 : 1;
  for (const extra of operands.slice(wanted)) problems.push(`${extra}: is one argument too many`);
  if (operands.length < wanted) problems.push(`${spec.operand} is missing`);
  return operands[0] ?? '';
}

function toCommand(kind: CommandName, operand: string, values: FlagValues): Command {
  switch (kind) {
    case 'configCheck':
      return { kind, file: operand };
    case 'poolTakeover':
    case 'poolForget':
      return { kind, settings: toSettings(values), pool: operand };
    case 'doctor':
      return { kind, settings: toSettings(values), pool: values.pool };
    default:
      return { kind, settings: toSettings(values) };
  }
}

/**
 * Understands the command line.
 * @param args what follows the program's name
 * @throws UsageError that lists everything it does not understand
 */
export function parseCommandLine(args: readonly string[], env: Environment): Command {
  const first = args[0];
  if (first === '--version') return { kind: 'print', text: `kayal ${VERSION}\n` };
  if (first === '--help' || first === '-h' || first === 'help') return { kind: 'print', text: overview() };
  const found = findCommand(args);
  if (found === undefined) throw noSuchCommand(args);
  const [kind, spec] = found;
  const given = readArguments(args.slice(spec.words.length), spec);
  if (given.wantsHelp) return { kind: 'print', text: commandHelp(spec) };
  const problems = [...given.problems];
  const values = readFlags(spec, given, env, problems);
  const operand = checkOperands(spec, given.operands, problems);
  if (problems.length > 0) throw new UsageError(problems, `kayal ${spec.words.join(' ')} --help`);
  return toCommand(kind, operand, values);
}
