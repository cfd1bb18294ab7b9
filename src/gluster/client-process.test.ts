import { describe, expect, it } from 'vitest';
import { clientArguments, isClientOfOtherTransport, isSameClient } from './client-process.js';
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

describe('TLS', () => {
  const source = { kind: 'servers', hosts: ['a'], volume: 'vol' } as const;
  const files = { certificate: '/tls/crt', key: '/tls/key', ca: '/tls/ca' };

  it('is forced upon the connections to bricks, whatever the servers say', () => {
    const args = clientArguments({ ...command, source: { ...source, tls: { ...files, management: false } } });
    expect(args.filter((argument) => /ssl|secure/.test(argument))).toEqual([
      '--xlator-option=vol-client-*.transport.socket.ssl-enabled=on',
      '--xlator-option=vol-client-*.transport.socket.ssl-own-cert=/tls/crt',
      '--xlator-option=vol-client-*.transport.socket.ssl-private-key=/tls/key',
      '--xlator-option=vol-client-*.transport.socket.ssl-ca-list=/tls/ca',
    ]);
    const managed = { ...command, source: { ...source, tls: { ...files, management: true } } };
    expect(clientArguments(managed)).toContain('--secure-mgmt=on');
    expect(isSameClient(args, { ...command, source })).toBe(true);
  });

  it("a managed pool's client of before is told from one that reaches the bricks", () => {
    const without: ClientCommand = { ...command, source: { kind: 'volfile', path: '/p/client.vol' } };
    const encrypted: ClientCommand = { ...command, source: { kind: 'volfile', path: '/p/client.vol', talksTls: true } };
    expect(isSameClient(clientArguments(without), encrypted)).toBe(false);
    expect(isClientOfOtherTransport(clientArguments(without), encrypted)).toBe(true);
    expect(isClientOfOtherTransport(clientArguments(encrypted), without)).toBe(true);
    expect(isClientOfOtherTransport(clientArguments(encrypted), encrypted)).toBe(false);
    expect(isClientOfOtherTransport(clientArguments(without), { ...encrypted, mountPoint: '/mnt/q' })).toBe(false);
    expect(isClientOfOtherTransport(clientArguments(command), command)).toBe(false);
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
