import type { FlagSpecs } from './arguments.js';
import { TYPES } from './pool-object.js';

export interface CommandSpec {
  readonly words: readonly string[];
  readonly operands: string;
  readonly summary: string;
  readonly flags: FlagSpecs;
}

const CLUSTER: FlagSpecs = {
  kubeconfig: { placeholder: 'FILE', help: 'the cluster; default $KUBECONFIG, then ~/.kube/config' },
};
const OUTPUT: FlagSpecs = { output: { placeholder: 'json|yaml', short: 'o', help: 'print the objects' } };
const DRY_RUN: FlagSpecs = {
  'dry-run': { help: 'change nothing: print the object, after the server has checked it if there is one' },
};
const NO_WAIT: FlagSpecs = { 'no-wait': { help: 'do not wait until it is done' } };

const ADD: FlagSpecs = {
  type: { placeholder: TYPES.join('|'), help: 'what each group of bricks is' },
  device: { placeholder: 'NODE:/DEV', isRepeated: true, help: 'a brick on an empty block device; once for each' },
  path: { placeholder: 'NODE:/DIR', isRepeated: true, help: 'a brick in a directory of a node' },
  pvc: { placeholder: 'CLAIM', isRepeated: true, help: "a brick on a claim in Kayal's namespace" },
  data: { placeholder: 'N', help: 'bricks of a disperse group that hold data' },
  redundancy: { placeholder: 'N', help: 'bricks of it that may be lost' },
  host: { placeholder: 'HOST', isRepeated: true, help: 'a server of an existing volume' },
  volume: { placeholder: 'NAME', help: 'an existing volume' },
  option: { placeholder: 'NAME=VALUE', isRepeated: true, help: 'an option of glusterfs(8) for an existing volume' },
  quota: { placeholder: 'auto|gluster|simple|none', help: 'how limits are kept; default auto' },
  'storage-class': { placeholder: 'NAME', help: 'the StorageClass to make; default kayal-POOL' },
  'no-storage-class': { help: 'make none' },
  'reclaim-policy': {
    placeholder: 'Delete|Retain',
    help: 'what becomes of volumes whose claim is deleted; default Delete',
  },
};

/** Every command of the plugin. */
export const COMMANDS = {
  poolAdd: {
    words: ['pool', 'add'],
    operands: 'NAME',
    summary: 'make a pool, and wait until it is ready',
    flags: { ...ADD, ...DRY_RUN, ...NO_WAIT, ...OUTPUT, ...CLUSTER },
  },
  poolList: {
    words: ['pool', 'list'],
    operands: '',
    summary: 'list pools',
    flags: { watch: { short: 'w', help: 'go on, and print what changes' }, ...OUTPUT, ...CLUSTER },
  },
  poolDescribe: {
    words: ['pool', 'describe'],
    operands: 'NAME',
    summary: 'show a pool with each of its bricks, and what is wrong',
    flags: { ...OUTPUT, ...CLUSTER },
  },
  poolSet: {
    words: ['pool', 'set'],
    operands: 'NAME OPTION=VALUE…',
    summary: 'set overcommit (percent), client-cache (yes, no), option.NAME (of an existing volume)',
    flags: { ...DRY_RUN, ...OUTPUT, ...CLUSTER },
  },
  poolUnset: {
    words: ['pool', 'unset'],
    operands: 'NAME OPTION…',
    summary: 'give options of a pool their defaults again',
    flags: { ...DRY_RUN, ...OUTPUT, ...CLUSTER },
  },
  poolRemove: {
    words: ['pool', 'remove'],
    operands: 'NAME',
    summary: 'remove a pool that has no volumes; what is on its bricks stays',
    flags: { ...NO_WAIT, ...CLUSTER },
  },
  version: { words: ['version'], operands: '', summary: 'print the version of this plugin', flags: {} },
  completion: { words: ['completion'], operands: 'bash|zsh', summary: 'print a completion script', flags: {} },
} as const satisfies Readonly<Record<string, CommandSpec>>;

export type CommandName = keyof typeof COMMANDS;

const PROGRAM = 'kubectl kayal';

export function usageOf({ words, operands, summary, flags }: CommandSpec): string {
  const lines = Object.entries(flags).map(([name, { placeholder, short, help, isRepeated }]) => {
    const named = `${short === undefined ? '' : `-${short}, `}--${name}${placeholder === undefined ? '' : ` ${placeholder}`}`;
    return `  ${named}${isRepeated === true ? ' …' : ''}\n        ${help}`;
  });
  const head = `Usage: ${[PROGRAM, ...words, operands].filter((word) => word !== '').join(' ')} [FLAGS]\n\n${summary}\n`;
  return lines.length === 0 ? head : `${head}\n${lines.join('\n')}\n`;
}

export function overview(): string {
  const rows = Object.values(COMMANDS).map(({ words, operands, summary }) => {
    const command = [...words, operands].filter((word) => word !== '').join(' ');
    return `  ${command.padEnd(30)} ${summary}`;
  });
  return `Pools of Kayal in this cluster (docs/pools.md).\n\n${rows.join('\n')}\n\n${PROGRAM} COMMAND --help says more.\n`;
}
