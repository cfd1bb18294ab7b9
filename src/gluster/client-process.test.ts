import { describe, expect, it } from 'vitest';
import { clientArguments, isSameClient } from './client-process.js';
import type { ClientCommand } from './client-process.js';

const command: ClientCommand = {
  name: 'p',
  mountPoint: '/mnt/p',
  source: { kind: 'servers', hosts: ['a', 'b'], volume: 'vol' },
  options: { 'log-level': 'INFO' },
  control: false,
  logFile: '/log',
};

describe('clientArguments', () => {
  it('asks all servers, and lets options have the last word', () => {
    expect(clientArguments(command)).toEqual([
      'glusterfs',
      '-N',
      '--process-name',
      'fuse',
      '--log-file=/log',
      '--log-level=WARNING',
      '--volfile-server=a',
      '--volfile-server=b',
      '--volfile-id=/vol',
      '--log-level=INFO',
      '/mnt/p',
    ]);
  });
});

describe('isSameClient', () => {
  it('knows its own process, whatever the options', () => {
    expect(isSameClient(clientArguments(command), command)).toBe(true);
    expect(isSameClient(clientArguments({ ...command, options: {} }), command)).toBe(true);
  });

  it.each<Partial<ClientCommand>>([
    { mountPoint: '/mnt/q' },
    { control: true },
    { source: { kind: 'servers', hosts: ['a'], volume: 'other' } },
    { source: { kind: 'volfile', path: '/p.vol' } },
  ])('tells another one by %j', (change) => {
    expect(isSameClient(clientArguments({ ...command, ...change }), command)).toBe(false);
    expect(isSameClient(clientArguments(command), { ...command, ...change })).toBe(false);
  });
});
