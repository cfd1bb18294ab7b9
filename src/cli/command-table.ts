import type { FlagName } from './flag-table.js';

/** One thing that `kayal` does; its words are what follows `kayal` on the command line. */
export interface CommandSpec {
  readonly words: readonly string[];
  readonly operand?: string;
  readonly flags: readonly FlagName[];
  /** One line for the overview. */
  readonly summary: string;
  /** What `--help` says beyond it. */
  readonly details: string;
}

const ROLE_FLAGS = [
  'config',
  'pools-dir',
  'endpoint',
  'node-id',
  'state-dir',
  'kubelet-dir',
  'metrics-address',
  'log-level',
  'socket-group',
  'attach',
  'max-volumes-per-node',
] as const satisfies readonly FlagName[];

const POOL_FLAGS = ['config', 'pools-dir', 'node-id', 'state-dir', 'log-level'] as const satisfies readonly FlagName[];

const NODE_FLAGS = [
  ...ROLE_FLAGS,
  'register',
  'mounter',
  'kubeconfig',
  'hybrid-dir',
  'hybrid-size',
] as const satisfies readonly FlagName[];

function role(name: string, summary: string, details: string): CommandSpec {
  return { words: [name], flags: name === 'controller' ? ROLE_FLAGS : NODE_FLAGS, summary, details };
}

/** Every command, by its name in the type Command (flags.ts). */
export const COMMANDS = {
  all: role(
    'all',
    'controller, node and the bricks of managed pools in one process',
    'For a developer machine, a cluster of one node, and the demo. Ends on SIGTERM or SIGINT.',
  ),
  controller: role(
    'controller',
    'CSI Identity and Controller: makes, expands and deletes volumes',
    "One is active at a time per pool (it holds the pool's lease). Ends on SIGTERM or SIGINT.",
  ),
  node: role(
    'node',
    'CSI Identity and Node: mounts pools and publishes volumes on this machine',
    'One runs on every node. Ends on SIGTERM or SIGINT; published volumes stay mounted.',
  ),
  brick: {
    words: ['brick'],
    flags: ['pool-file', 'brick', 'device', 'state-dir', 'metrics-address', 'log-level'],
    summary: 'runs one brick of a managed pool whose bricks are on several machines',
    details:
      'Formats a blank device and nothing else. Ends on SIGTERM or SIGINT, and the brick with it (docs/pools.md).',
  },
  operator: {
    words: ['operator'],
    flags: [
      'namespace',
      'pools-secret',
      'image',
      'image-pull-secrets',
      'priority-class',
      'kubeconfig',
      'metrics-address',
      'log-level',
    ],
    summary: 'makes pools of StoragePool objects: their bricks, configuration and StorageClasses',
    details: 'One is active at a time. Ends on SIGTERM or SIGINT; pools go on without it (docs/pools.md).',
  },
  configCheck: {
    words: ['config', 'check'],
    operand: 'FILE',
    flags: [],
    summary: 'say everything that is wrong in a configuration file',
    details: 'Exit code 0: valid; 1: not valid, each problem on a line of its own.',
  },
  doctor: {
    words: ['doctor'],
    flags: [...POOL_FLAGS, 'pool', 'repair'],
    summary: 'look at pools and measure how exactly their quota stops a writer',
    details: 'Exit code 0: nothing to mend; 1: something is wrong, with the commands that mend it.',
  },
  poolTakeover: {
    words: ['pool', 'takeover'],
    operand: 'POOL',
    flags: POOL_FLAGS,
    summary: 'make a pool of another installation belong to this one',
    details: 'Stop the other installation first: two that write to one pool promise the same space twice.',
  },
  poolForget: {
    words: ['pool', 'forget'],
    operand: 'POOL',
    flags: POOL_FLAGS,
    summary: 'accept that another pool is now where a pool was that this controller knows',
    details: 'Only after the pool was really replaced: a mount that is missing looks the same.',
  },
  volumes: {
    words: ['volumes'],
    flags: [...POOL_FLAGS, 'pool', 'output', 'orphans', 'unused', 'since', 'kubeconfig', 'archived', 'retained'],
    summary: 'list volumes with size, used space, age, claim, state and last use',
    details: 'Several of --orphans, --unused, --archived and --retained show what is all of it.',
  },
  volumePurge: {
    words: ['volume', 'purge'],
    operand: 'POOL/ID',
    flags: [...POOL_FLAGS, 'yes'],
    summary: 'remove the data of a volume that was deleted and kept (archived, retained)',
    details: 'Done by the controller, or by the command itself while no controller runs.',
  },
  volumeAbandon: {
    words: ['volume', 'abandon'],
    operand: 'POOL/ID',
    flags: [...POOL_FLAGS, 'kubelet-dir', 'hybrid-dir', 'yes'],
    summary: 'give up what of a hybrid volume is on this node and not in its pool, so that its pods can end',
    details: 'Run on the node whose pods wait. The copy is kept aside there (docs/hybrid.md).',
  },
  volumeRelease: {
    words: ['volume', 'release'],
    operand: 'POOL/ID',
    flags: [...POOL_FLAGS, 'node', 'yes'],
    summary: 'take a volume away from a node that is lost',
    details: 'What that node has not written yet is lost, whatever becomes of it (docs/attach.md).',
  },
} as const satisfies Readonly<Record<string, CommandSpec>>;

export type CommandName = keyof typeof COMMANDS;
