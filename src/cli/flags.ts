import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { messageOf } from '../base/errors.js';
import { VERSION } from '../base/version.js';
import { COMMANDS, type CommandName, type CommandSpec } from './command-table.js';
import {
  DEFAULTS,
  defaultEndpoint,
  environmentName,
  flagOf,
  FLAGS,
  isFlagName,
  type FlagName,
  type FlagValues,
  type LogLevel,
} from './flag-table.js';
import type { ObjectSettings } from '../operator/objects.js';
import { commandHelp, overview } from './help.js';
import { UsageError } from './usage-error.js';

/** How a role runs; docs/operations.md says what each setting is for. */
export interface Settings {
  /** Absolute paths. */
  readonly config: string;
  /** Where pools have files of their own; absent: nowhere. */
  readonly poolsDir?: string | undefined;
  readonly stateDir: string;
  readonly kubeletDir: string;
  /** `unix:///absolute/path`, or an absolute path. */
  readonly endpoint: string;
  readonly nodeId: string;
  /** Whether kubelet is told of the driver; absent: the role decides. */
  readonly register?: boolean | undefined;
  /** The directory by whose lock the mounter is found; without one clients are started beside us. */
  readonly mounter?: string | undefined;
  /** Whether nodes have to be attached to a volume before they use it. */
  readonly attach: boolean;
  /** Where copies of hybrid volumes lie; absent: below kubelet's directory. */
  readonly hybridDir?: string | undefined;
  /** What they may take in all, in bytes; absent: as much as there is. */
  readonly hybridSize?: bigint | undefined;
  /** Volumes that a node may have; absent: any number. */
  readonly maxVolumesPerNode?: number | undefined;
  /** The cluster whose pods are told what happens to their volumes; absent: the one that we are a pod of. */
  readonly kubeconfig?: string | undefined;
  /** HOST:PORT or :PORT; neither metrics nor health without it. */
  readonly metricsAddress?: string | undefined;
  readonly logLevel: LogLevel;
  /** The group that may use the socket; root alone without it. */
  readonly socketGroup?: number | undefined;
}

/** How `kayal brick` runs. */
export interface BrickSettings extends Pick<Settings, 'stateDir' | 'metricsAddress' | 'logLevel'> {
  /** Absolute paths. */
  readonly poolFile: string;
  readonly device?: string | undefined;
  readonly brick: number;
}

/** How `kayal operator` runs. */
export interface OperatorSettings
  extends Pick<Settings, 'kubeconfig' | 'metricsAddress' | 'logLevel'>, Omit<ObjectSettings, 'logLevel'> {}

/** Which volumes `kayal volumes` shows: those that are all of what is set. */
export interface VolumeFilter {
  readonly pool?: string | undefined;
  /** The cluster to ask for PersistentVolumes and pods: an absolute path. */
  readonly kubeconfig?: string | undefined;
  readonly orphans: boolean;
  readonly archived: boolean;
  readonly retained: boolean;
  /** Not used for so many milliseconds. */
  readonly unusedForMs?: number | undefined;
}

/** What the command line asks for. */
export type Command =
  | { readonly kind: 'print'; readonly text: string }
  | { readonly kind: 'all' | 'controller' | 'node'; readonly settings: Settings }
  | { readonly kind: 'brick'; readonly settings: BrickSettings }
  | { readonly kind: 'operator'; readonly settings: OperatorSettings }
  | { readonly kind: 'configCheck'; readonly file: string }
  | {
      readonly kind: 'doctor';
      readonly settings: Settings;
      readonly pool?: string | undefined;
      readonly repair: boolean;
    }
  | { readonly kind: 'volumes'; readonly settings: Settings; readonly filter: VolumeFilter; readonly json: boolean }
  | { readonly kind: 'volumePurge'; readonly settings: Settings; readonly handle: string; readonly yes: boolean }
  | { readonly kind: 'volumeAbandon'; readonly settings: Settings; readonly handle: string; readonly yes: boolean }
  | {
      readonly kind: 'volumeRelease';
      readonly settings: Settings;
      readonly handle: string;
      readonly node: string;
      readonly yes: boolean;
    }
  | { readonly kind: 'poolTakeover' | 'poolForget'; readonly settings: Settings; readonly pool: string };

/** What --unused means without --since: 30 days. */
const UNUSED_FOR_MS = 30 * 24 * 60 * 60 * 1000;

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

/** `-o` for a flag that has a letter; parseArgs takes `-output` for several letters. */
function isWritten(name: FlagName, rawName: string): boolean {
  return rawName.startsWith('--') || rawName === `-${flagOf(name).short}`;
}

/** parseArgs in its lenient mode, so that every unknown flag is told of, not only the first. */
function readArguments(args: readonly string[], spec: CommandSpec): Arguments {
  const options = Object.fromEntries(
    spec.flags.map((name) => {
      const { short, isSwitch } = flagOf(name);
      const type: 'boolean' | 'string' = isSwitch === true ? 'boolean' : 'string';
      return [name, short === undefined ? { type } : { type, short }];
    }),
  );
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
    else if (!isFlagName(name) || !spec.flags.includes(name) || !isWritten(name, rawName)) {
      const known = spec.flags.map((flag) => `--${flag}`).join(', ');
      problems.push(
        `${rawName}: is not a flag of kayal ${spec.words.join(' ')}${known === '' ? '' : `; there is ${known}`}`,
      );
    } else if (flagOf(name).isSwitch === true) {
      if (value === undefined) texts.set(name, 'yes');
      else problems.push(`${rawName}: takes no value`);
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
    const text = fromFlag ?? (flagOf(name).isSwitch === true ? undefined : env[variable]);
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
    poolsDir: values['pools-dir'],
    stateDir: values['state-dir'] ?? DEFAULTS.stateDir,
    kubeletDir,
    endpoint: values.endpoint ?? defaultEndpoint(kubeletDir),
    nodeId: values['node-id'] ?? hostname(),
    register: values.register,
    mounter: values.mounter,
    kubeconfig: values.kubeconfig,
    attach: values.attach ?? false,
    hybridDir: values['hybrid-dir'],
    hybridSize: values['hybrid-size'],
    maxVolumesPerNode: values['max-volumes-per-node'],
    metricsAddress: values['metrics-address'],
    logLevel: values['log-level'] ?? DEFAULTS.logLevel,
    socketGroup: values['socket-group'],
  };
}

function toBrickSettings(values: FlagValues): BrickSettings {
  const { stateDir, metricsAddress, logLevel } = toSettings(values);
  const { 'pool-file': poolFile = '', brick = 0, device } = values;
  return { stateDir, metricsAddress, logLevel, poolFile, brick, device };
}

function toOperatorSettings(values: FlagValues): OperatorSettings {
  const { kubeconfig, metricsAddress, logLevel } = toSettings(values);
  const {
    namespace = '',
    image = '',
    'pools-secret': poolsSecret = '',
    'image-pull-secrets': pullSecrets = [],
  } = values;
  return {
    kubeconfig,
    metricsAddress,
    logLevel,
    namespace,
    poolsSecret,
    image,
    imagePullSecrets: pullSecrets,
    priorityClassName: values['priority-class'],
  };
}

/** Flags without which a command makes no sense. */
const NEEDED: Partial<Record<CommandName, readonly FlagName[]>> = {
  volumeRelease: ['node'],
  brick: ['pool-file', 'brick'],
  operator: ['namespace', 'pools-secret', 'image'],
};

/** Says nothing after other problems: what follows a flag that is not known may have been its value. */
function checkOperands(spec: CommandSpec, operands: readonly string[], problems: string[]): string {
  if (problems.length > 0) return '';
  const wanted = spec.operand === undefined ? 0 : 1;
  for (const extra of operands.slice(wanted)) problems.push(`${extra}: is one argument too many`);
  if (operands.length < wanted) problems.push(`${spec.operand} is missing`);
  return operands[0] ?? '';
}

function toFilter(values: FlagValues): VolumeFilter {
  return {
    pool: values.pool,
    kubeconfig: values.kubeconfig,
    orphans: values.orphans === true,
    archived: values.archived === true,
    retained: values.retained === true,
    unusedForMs: values.unused === true ? (values.since ?? UNUSED_FOR_MS) : undefined,
  };
}

function toCommand(kind: CommandName, operand: string, values: FlagValues): Command {
  switch (kind) {
    case 'configCheck':
      return { kind, file: operand };
    case 'brick':
      return { kind, settings: toBrickSettings(values) };
    case 'operator':
      return { kind, settings: toOperatorSettings(values) };
    case 'poolTakeover':
    case 'poolForget':
      return { kind, settings: toSettings(values), pool: operand };
    case 'doctor':
      return { kind, settings: toSettings(values), pool: values.pool, repair: values.repair === true };
    case 'volumes':
      return { kind, settings: toSettings(values), filter: toFilter(values), json: values.output === 'json' };
    case 'volumeRelease':
      return {
        kind,
        settings: toSettings(values),
        handle: operand,
        node: values.node ?? '',
        yes: values.yes === true,
      };
    case 'volumeAbandon':
    case 'volumePurge':
      return { kind, settings: toSettings(values), handle: operand, yes: values.yes === true };
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
  const missing = (NEEDED[kind] ?? []).filter((name) => values[name] === undefined);
  if (problems.length === 0) problems.push(...missing.map((name) => `--${name} is missing`));
  if (problems.length > 0) throw new UsageError(problems, `kayal ${spec.words.join(' ')} --help`);
  return toCommand(kind, operand, values);
}
