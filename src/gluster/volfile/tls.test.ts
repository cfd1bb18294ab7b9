import { describe, expect, it } from 'vitest';
import { brickVolfile } from './brick.js';
import { brickClientVolfiles, clientVolfile, controlVolfile } from './client.js';
import { parseVolfile } from './parse.js';
import { quotadVolfile } from './quotad.js';
import { selfHealVolfile } from './self-heal.js';
import { testGroup, testLayout } from './test-layouts.js';

const tls = { certificate: '/tls/crt', key: '/tls/key', ca: '/tls/ca', commonName: 'kayal' };
const layout = testLayout([testGroup('replicate', 3)], { quota: 'gluster', tls });
const ENDS = ['protocol/client', 'protocol/server'];
const SECURED = {
  'transport.socket.ssl-enabled': 'on',
  'transport.socket.ssl-own-cert': '/tls/crt',
  'transport.socket.ssl-private-key': '/tls/key',
  'transport.socket.ssl-ca-list': '/tls/ca',
};

describe('TLS', () => {
  it('is on at both ends of every connection of a pool, and nowhere without it', () => {
    const texts = (of: typeof layout): string[] => [
      clientVolfile(of),
      controlVolfile(of),
      quotadVolfile(of),
      selfHealVolfile(of),
      ...brickClientVolfiles(of),
      ...[0, 1, 2].map((index) => brickVolfile({ layout: of, index, markerTimestamp: '/m' })),
    ];
    const ends = texts(layout).flatMap((text) => parseVolfile(text).filter(({ type }) => ENDS.includes(type)));
    expect(ends).toHaveLength(4 * 3 + 3 + 3);
    for (const { options } of ends) expect(options).toMatchObject(SECURED);
    expect(texts(testLayout([testGroup('replicate', 3)], { quota: 'gluster' })).join('')).not.toContain('ssl');
  });

  it('a brick lets in the one name, and only those who know what it is called', () => {
    const server = parseVolfile(brickVolfile({ layout, index: 1, markerTimestamp: '/m' })).at(-1);
    const name = '/bricks/b1:secret';
    expect(server?.subvolumes).toEqual([name]);
    expect(server?.options['auth-path']).toBe(name);
    expect(Object.entries(server?.options ?? {}).filter(([key]) => key.startsWith('auth.'))).toEqual([
      [`auth.login.${name}.ssl-allow`, 'kayal'],
    ]);
    const client = parseVolfile(clientVolfile(layout)).find(({ name: of }) => of === 'p-client-1');
    expect(client?.options['remote-subvolume']).toBe(name);
    expect(client?.options).not.toHaveProperty('password');
  });
});
