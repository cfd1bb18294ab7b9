import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { DRIVER_NAME } from '../base/version.js';
import { parseQuantity } from '../base/quantity.js';
import { isNodeName } from '../pools/node-name.js';
import { socketPath } from '../rpc/server.js';

/** pino's levels. */
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
/** 2^32 - 1 means "no change" to chown(2). */
const MAX_GID = 4_294_967_294;

/** One `--name VALUE`, also the environment variable KAYAL_NAME. */
export interface Flag<T> {
  readonly placeholder: string;
  readonly help: string;
  /** A letter that stands for the name. */
  readonly short?: string | undefined;
  /** The flag has no value and no environment variable: it is there or not. */
  readonly isSwitch?: boolean | undefined;
  /** What `--help` says of the value when the flag is not given. */
  readonly defaultText: string;
  /** @throws Error whose message ("must be …") says what is allowed */
  parse(text: string): T;
}

function oneOf<const T extends string>(values: readonly T[]): (text: string) => T {
  return (text) => {
    const found = values.find((value) => value === text);
    if (found === undefined) throw new Error(`must be one of ${values.join(', ')}`);
    return found;
  };
}

function parseNodeId(text: string): string {
  if (!isNodeName(text)) throw new Error('must be a name of letters, digits, . and -, at most 253 long');
  return text;
}

function parseEndpoint(text: string): string {
  socketPath(text);
  return text;
}

function parseAddress(text: string): string {
  const port = Number(/^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]*):(\d{1,5})$/.exec(text)?.[1]);
  if (!(port <= 65_535)) throw new Error('must be HOST:PORT, or :PORT for every address of the machine');
  return text;
}

function parseGroup(text: string): number {
  const group = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!(group <= MAX_GID)) throw new Error('must be a numeric group id');
  return group;
}

function parseYesNo(text: string): boolean {
  if (text !== 'yes' && text !== 'no') throw new Error('must be yes or no');
  return text === 'yes';
}

function parseLabel(text: string): string {
  if (!/^[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?$/.test(text)) {
    throw new Error('must be a name of at most 63 of a-z, 0-9, . and -');
  }
  return text;
}

function parseBrickNumber(text: string): number {
  if (!/^\d{1,4}$/.test(text)) throw new Error('must be a number from 0');
  return Number(text);
}

function parseVolumeCount(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new Error('must be a number from 1 to 999999999');
  return Number(text);
}

/** @returns bytes */
function parseSize(text: string): bigint {
  const bytes = parseQuantity(text);
  if (bytes === undefined || bytes <= 0n) throw new Error('must be a size, such as 500Mi or 100Gi');
  return bytes;
}

function flag<T>(placeholder: string, defaultText: string, help: string, parse: (text: string) => T): Flag<T> {
  return { placeholder, defaultText, help, parse };
}

/** For what somebody has to ask for each time, so not by an environment that may be forgotten. */
function switchFlag(help: string): Flag<boolean> {
  return { placeholder: '', defaultText: '', help, isSwitch: true, parse: () => true };
}

const DAY_MS = 24 * 60 * 60 * 1000;
const TIME_UNITS: Readonly<Record<string, number>> = { h: DAY_MS / 24, d: DAY_MS, w: 7 * DAY_MS };

/** Nodes note the use of a volume every six hours (use-notes.ts): a shorter time would call volumes in use unused. */
const SHORTEST_UNUSED_MS = DAY_MS / 2;

/** @returns milliseconds */
function parseUnusedFor(text: string): number {
  const match = /^([1-9]\d{0,4})([hdw])$/.exec(text);
  const ms = Number(match?.[1]) * (TIME_UNITS[match?.[2] ?? ''] ?? 0);
  if (!(ms >= SHORTEST_UNUSED_MS)) {
    throw new Error('must be a number with h, d or w (hours, days, weeks), at least 12h, such as 30d');
  }
  return ms;
}

/** Where the socket is that kubelet and the sidecars of a Kubernetes node look for. */
export function defaultEndpoint(kubeletDir: string): string {
  return `unix://${kubeletDir}/plugins/${DRIVER_NAME}/csi.sock`;
}

export const DEFAULTS = {
  config: '/etc/kayal/config.yaml',
  stateDir: '/var/lib/kayal',
  kubeletDir: '/var/lib/kubelet',
  logLevel: 'info',
} as const;

/** Every flag of every command. */
export const FLAGS = {
  config: flag('FILE', DEFAULTS.config, 'the configuration file (docs/configuration.md)', (path) => resolve(path)),
  'pools-dir': flag(
    'DIR',
    'there are none',
    'files DIR/NAME.yaml with a pool each, beside those of the configuration file (docs/configuration.md)',
    (path) => resolve(path),
  ),
  endpoint: flag('unix:///PATH', defaultEndpoint('<kubelet-dir>'), 'the socket to serve CSI on', parseEndpoint),
  'node-id': flag('NAME', `the host's name (${hostname()})`, "this node's name, as Kubernetes knows it", parseNodeId),
  'state-dir': flag(
    'DIR',
    DEFAULTS.stateDir,
    'where Kayal keeps what survives a restart of it on this machine',
    (path) => resolve(path),
  ),
  'kubelet-dir': flag(
    'DIR',
    DEFAULTS.kubeletDir,
    "kubelet's directory; mounts and published volumes lie below it",
    (path) => resolve(path),
  ),
  register: flag(
    'yes|no',
    'yes for kayal node, no for kayal all',
    'tell kubelet of the driver, through its plugins_registry; no: node-driver-registrar does it',
    parseYesNo,
  ),
  mounter: flag(
    'DIR',
    'GlusterFS clients are started beside this process',
    'start GlusterFS clients in the container that holds a lock on this directory (docs/reliability.md)',
    (path) => resolve(path),
  ),
  attach: flag(
    'yes|no',
    'no',
    'attach volumes to nodes before they are used there (docs/attach.md); the same for the controller and all nodes',
    parseYesNo,
  ),
  'max-volumes-per-node': flag(
    'N',
    'any number',
    'volumes of this driver that a node may have; the scheduler and, with --attach, the controller keep to it',
    parseVolumeCount,
  ),
  'hybrid-dir': flag(
    'DIR',
    `<kubelet-dir>/plugins/${DRIVER_NAME}/hybrid`,
    'where copies of hybrid volumes lie; on XFS or btrfs (docs/hybrid.md)',
    (path) => resolve(path),
  ),
  'hybrid-size': flag(
    'SIZE',
    'as much as its filesystem has',
    "what the copies of hybrid volumes on this node may take in all, such as 100Gi; each may take three times its volume's size",
    parseSize,
  ),
  'metrics-address': flag(
    'HOST:PORT',
    'none of them',
    'serve /metrics, /healthz and /readyz on http://HOST:PORT',
    parseAddress,
  ),
  'log-level': flag('LEVEL', DEFAULTS.logLevel, `how much is logged: ${LOG_LEVELS.join(', ')}`, oneOf(LOG_LEVELS)),
  'pool-file': flag(
    'FILE',
    'has to be given',
    'the pool, as an entry of the configuration file has it; beside it, the file "make" lists bricks that are new',
    (path) => resolve(path),
  ),
  brick: flag('N', 'has to be given', 'the number of the brick in its pool, from 0', parseBrickNumber),
  device: flag(
    'DEVICE',
    "the directory of the brick's path is there",
    'the block device that the brick is on',
    (path) => resolve(path),
  ),
  namespace: flag('NAMESPACE', 'has to be given', 'where the bricks of pools run', parseLabel),
  'pools-secret': flag(
    'NAME',
    'has to be given',
    'the Secret with the pools that controller and nodes have mounted (--pools-dir)',
    parseLabel,
  ),
  image: flag('IMAGE', 'has to be given', 'the container image of bricks', (name) => name),
  'image-pull-secrets': flag('NAMES', 'none', 'Secrets for that image, separated by commas', (names) =>
    names.split(','),
  ),
  'priority-class': flag('NAME', 'none', "the priority class of bricks' pods", parseLabel),
  'socket-group': flag('GID', 'root only', 'let this group use the socket (mode 0660)', parseGroup),
  pool: flag('NAME', 'every pool', 'look at this pool only', (name) => name),
  output: { ...flag('FORMAT', 'table', 'table or json', oneOf(['table', 'json'])), short: 'o' },
  kubeconfig: flag(
    'FILE',
    'the service account of the pod; for --orphans $KUBECONFIG before and ~/.kube/config after it',
    'the cluster whose PersistentVolumes (--orphans) and pods (--unused) are looked at, or whose pods get events (roles)',
    (path) => resolve(path),
  ),
  orphans: switchFlag('only volumes that no PersistentVolume has: handles on standard input, else of the cluster'),
  unused: switchFlag('only volumes that no pod has used for some time (--since)'),
  since: flag('TIME', '30d', 'how long --unused means: hours, days or weeks (12h, 30d, 8w)', parseUnusedFor),
  archived: switchFlag('only volumes that were deleted and moved aside (onDelete: archive)'),
  retained: switchFlag('only volumes that were deleted and left where they are (onDelete: retain)'),
  node: flag('NAME', 'has to be given', 'the node that does not use the volume any more', parseNodeId),
  repair: switchFlag('mend what can be mended without losing data, then look'),
  yes: switchFlag('do it; without it the command only says what it would do'),
} satisfies Readonly<Record<string, Flag<unknown>>>;

export type FlagName = keyof typeof FLAGS;
export type FlagValues = { readonly [Name in FlagName]?: ReturnType<(typeof FLAGS)[Name]['parse']> };

/** The flag as one of the table, with what only some have. */
export function flagOf(name: FlagName): Flag<unknown> {
  return FLAGS[name];
}

export function isFlagName(name: string): name is FlagName {
  return Object.hasOwn(FLAGS, name);
}

/** The environment variable that stands in for a flag: KAYAL_NODE_ID for --node-id. */
export function environmentName(name: FlagName): string {
  return `KAYAL_${name.toUpperCase().replaceAll('-', '_')}`;
}
