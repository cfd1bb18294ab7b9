import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { parseCommandLine, type Environment } from './flags.js';
import { UsageError } from './usage-error.js';

function parse(line: string, env: Environment = {}): unknown {
  return parseCommandLine(line === '' ? [] : line.split(' '), env);
}

function usageError(line: string, env: Environment = {}): UsageError {
  try {
    parse(line, env);
  } catch (error) {
    if (error instanceof UsageError) return error;
    throw error;
  }
  throw new Error(`"${line}" was understood`);
}

const DEFAULTS = {
  config: '/etc/kayal/config.yaml',
  stateDir: '/var/lib/kayal',
  kubeletDir: '/var/lib/kubelet',
  endpoint: 'unix:///var/lib/kubelet/plugins/csi.kayal.storage/csi.sock',
  nodeId: hostname(),
  logLevel: 'info',
  attach: false,
};

describe('roles', () => {
  it.each(['all', 'controller', 'node'])('kayal %s has defaults for everything', (role) => {
    expect(parse(role)).toEqual({ kind: role, settings: DEFAULTS });
  });

  it('takes every flag', () => {
    const line =
      'all --config /c.yaml --endpoint unix:///run/x.sock --node-id n1 --state-dir /s --kubelet-dir /k ' +
      '--register yes --metrics-address 127.0.0.1:9100 --log-level debug --socket-group 2000';
    expect(parse(line)).toEqual({
      kind: 'all',
      settings: {
        config: '/c.yaml',
        endpoint: 'unix:///run/x.sock',
        nodeId: 'n1',
        stateDir: '/s',
        kubeletDir: '/k',
        register: true,
        metricsAddress: '127.0.0.1:9100',
        logLevel: 'debug',
        socketGroup: 2000,
        attach: false,
      },
    });
  });

  it('takes --flag=value, and the last of two', () => {
    expect(parse('node --node-id=n1 --node-id=n2')).toMatchObject({ settings: { nodeId: 'n2' } });
  });

  it('reads the environment where there is no flag; an empty variable counts as not set', () => {
    const env = { KAYAL_NODE_ID: 'from-env', KAYAL_LOG_LEVEL: 'warn', KAYAL_STATE_DIR: '', OTHER: 'x' };
    expect(parse('all --log-level error', env)).toEqual({
      kind: 'all',
      settings: { ...DEFAULTS, nodeId: 'from-env', logLevel: 'error' },
    });
  });

  it('puts the socket below the kubelet directory that is given', () => {
    expect(parse('node --kubelet-dir /var/snap/k')).toMatchObject({
      settings: { endpoint: 'unix:///var/snap/k/plugins/csi.kayal.storage/csi.sock' },
    });
  });

  it('makes directories absolute', () => {
    expect(parse('all --state-dir state')).toMatchObject({ settings: { stateDir: `${process.cwd()}/state` } });
  });
});

describe('other commands', () => {
  it.each([
    ['config check /c.yaml', { kind: 'configCheck', file: '/c.yaml' }],
    ['doctor --pool fast', { kind: 'doctor', pool: 'fast' }],
    ['doctor', { kind: 'doctor' }],
    ['brick --pool-file /p/pool.yaml --brick 2', { kind: 'brick' }],
    ['operator --namespace n --pools-secret s --image i', { kind: 'operator' }],
    ['pool takeover fast --config /c.yaml', { kind: 'poolTakeover', pool: 'fast', settings: { config: '/c.yaml' } }],
    ['--version', { kind: 'print', text: `kayal ${packageJson.version}\n` }],
  ])('kayal %s', (line, expected) => {
    expect(parse(line)).toMatchObject(expected);
  });
});

describe('help', () => {
  it.each(['--help', '-h', 'help'])('kayal %s lists the commands', (line) => {
    expect(parse(line)).toMatchObject({
      kind: 'print',
      text: expect.stringMatching(/ {2}all .*\n(.*\n)* {2}config check FILE/),
    });
  });

  it.each(['all --help', 'node -h', 'controller --config x --help', 'all --bogus --help'])(
    'kayal %s shows each flag with its variable',
    (line) => {
      expect(parse(line)).toMatchObject({
        kind: 'print',
        text: expect.stringMatching(/--node-id NAME[^]*KAYAL_NODE_ID/),
      });
    },
  );

  it('shows an operand, and no flags where there are none', () => {
    expect(parse('config check --help')).toEqual({
      kind: 'print',
      text: expect.stringMatching(/^Usage: kayal config check FILE\n\n(?![^]*Flags)/),
    });
  });
});

describe('what is not understood', () => {
  it.each([
    ['', 'kayal: a command is missing\nSee "kayal --help".'],
    ['al', 'kayal: al: is not a command; there is all, controller, node, brick, operator, config check, doctor, '],
    ['brick --brick 0', 'kayal: --pool-file is missing\nSee "kayal brick --help".'],
    ['brick --pool-file /p', 'kayal: --brick is missing'],
    ['brick --pool-file /p --brick one', 'kayal: --brick: must be a number from 0 (is "one")'],
    ['operator --image i', 'kayal: --namespace is missing\nkayal: --pools-secret is missing'],
    ['config', 'kayal: config: is not a command; there is config check\n'],
    ['pool delete x', 'kayal: pool delete: is not a command; there is pool takeover'],
    ['--config x', 'kayal: --config: is not a flag of kayal itself\n'],
    ['all --colour=red', 'kayal: --colour: is not a flag of kayal all; there is --config, --pools-dir, --endpoint,'],
    ['all -x', 'kayal: -x: is not a flag of kayal all'],
    ['all --pool fast', 'kayal: --pool: is not a flag of kayal all'],
    ['all --config', 'kayal: --config: needs a value (FILE)\n'],
    ['all --config --node-id n1', 'kayal: --config: needs a value (FILE)\n'],
    ['all --config=', 'kayal: --config: needs a value (FILE)\n'],
    ['all extra', 'kayal: extra: is one argument too many\nSee "kayal all --help".'],
    ['config check', 'kayal: FILE is missing\nSee "kayal config check --help".'],
    [
      'all --log-level loud',
      'kayal: --log-level: must be one of trace, debug, info, warn, error, fatal, silent (is "loud")',
    ],
    ['all --endpoint tcp://0.0.0.0:1', 'must be unix:///absolute/path (is "tcp://0.0.0.0:1")'],
    [`all --endpoint unix:///${'x'.repeat(107)}`, 'a unix socket path has at most 107 bytes'],
    ['all --socket-group wheel', 'kayal: --socket-group: must be a numeric group id (is "wheel")'],
    ['all --socket-group 4294967295', 'kayal: --socket-group: must be a numeric group id'],
    ['all --metrics-address 9100', 'kayal: --metrics-address: must be HOST:PORT, or :PORT'],
    ['all --metrics-address :65536', 'kayal: --metrics-address: must be HOST:PORT'],
    ['all --node-id a/b', 'kayal: --node-id: must be a name of letters'],
  ])('kayal %s', (line, message) => {
    const error = usageError(line);
    expect(error.message).toContain(message);
    expect(error.exitCode).toBe(2);
  });

  it('names the variable that is wrong', () => {
    expect(usageError('all', { KAYAL_SOCKET_GROUP: 'x' }).message).toContain(
      'kayal: KAYAL_SOCKET_GROUP: must be a numeric',
    );
  });

  it('lists everything at once', () => {
    const lines = usageError('all --bogus --log-level loud --node-id /', { KAYAL_SOCKET_GROUP: 'x' }).message.split(
      '\n',
    );
    expect(lines).toHaveLength(5);
  });
});

describe('commands for people', () => {
  const POOL = { config: '/c.yaml', stateDir: '/var/lib/kayal', kubeletDir: '/var/lib/kubelet' };

  it('kayal volumes shows everything as a table, unless it is told otherwise', () => {
    const filter = { pool: undefined, orphans: false, archived: false, retained: false, unusedForMs: undefined };
    expect(parse('volumes --config /c.yaml')).toMatchObject({ kind: 'volumes', settings: POOL, filter, json: false });
    expect(parse('volumes -o json --pool fast --archived --retained --orphans')).toMatchObject({
      filter: { pool: 'fast', orphans: true, archived: true, retained: true },
      json: true,
    });
    expect(parse('volumes --unused')).toMatchObject({ filter: { unusedForMs: 30 * 24 * 3_600_000 } });
    expect(parse('volumes --unused --since 2w --output=table')).toMatchObject({
      filter: { unusedForMs: 14 * 24 * 3_600_000 },
      json: false,
    });
    expect(parse('volumes --since 2w')).toMatchObject({ filter: { unusedForMs: undefined } });
  });

  it('takes a switch only from the command line, and without a value', () => {
    expect(parse('volume purge fast/v', { KAYAL_YES: 'yes' })).toMatchObject({ handle: 'fast/v', yes: false });
    expect(parse('volume purge --yes fast/v')).toMatchObject({ kind: 'volumePurge', handle: 'fast/v', yes: true });
    expect(parse('doctor --repair')).toMatchObject({ kind: 'doctor', pool: undefined, repair: true });
    expect(usageError('volume purge fast/v --yes=no').message).toMatch('--yes: takes no value');
    expect(usageError('volume purge').message).toMatch('POOL/ID is missing');
  });

  it.each(['1h', '11h', '0d', '3', 'd', '1m'])('refuses --since %s', (since) => {
    expect(usageError(`volumes --unused --since ${since}`).message).toMatch('--since: must be a number with h, d or w');
  });

  it('shows switches without a value in the help', () => {
    const { text } = parse('volumes --help') as { text: string };
    expect(text).toMatch(/^ {2}-o, --output FORMAT +table or json$/m);
    expect(text).toMatch(/^ {2}--archived +only volumes/m);
    expect(text).not.toMatch('KAYAL_ARCHIVED');
  });
});
