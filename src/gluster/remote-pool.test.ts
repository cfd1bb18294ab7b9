import { describe, expect, it } from 'vitest';
import { parseConfig } from '../pools/config.js';
import { parseBrickAddress } from './brick-address.js';
import { isRemote, remoteLayout, remoteQuota, type RemotePoolConfig } from './remote-pool.js';
import { brickVolfile } from './volfile/brick.js';
import { clientVolfile } from './volfile/client.js';
import { parseVolfile } from './volfile/parse.js';

const TEXT = `
name: far
type: managed
replica: 3
bricks: [/bricks/0/brick, /bricks/1/brick, /bricks/2/brick]
remote:
  volumeId: 0d5f1c3a-1111-4222-8333-123456789abc
  credentials: { username: user, password: secret }
  addresses: ['10.96.0.1:24100', '10.96.0.2:24100', 'brick-2.example.com:24101']
`;

function remotePool(text = TEXT): RemotePoolConfig {
  const [pool] = parseConfig('{installation: i, pools: []}', 'c', [{ file: 'far.yaml', text }]).pools;
  if (pool?.type !== 'managed' || !isRemote(pool)) throw new Error('not remote');
  return pool;
}

const hosts = (volfile: string): unknown[] =>
  parseVolfile(volfile).flatMap(({ options }) =>
    options['remote-host'] === undefined ? [] : [`${options['remote-host']}:${options['remote-port']}`],
  );

describe('a pool whose bricks run elsewhere', () => {
  it('has clients that connect to the addresses', () => {
    expect(hosts(clientVolfile(remoteLayout(remotePool())))).toEqual(remotePool().remote.addresses);
  });

  it('is reached by loopback on the machine of a brick, which listens on all addresses', () => {
    const layout = remoteLayout(remotePool(), 1);
    expect(hosts(clientVolfile(layout))).toEqual(['10.96.0.1:24100', '127.0.0.1:24100', 'brick-2.example.com:24101']);
    const server = parseVolfile(brickVolfile({ layout, index: 1, markerTimestamp: '/m' })).at(-1);
    expect(server?.options['transport.socket.listen-port']).toBe('24100');
    expect(server?.options).not.toHaveProperty('transport.socket.bind-address');
  });

  it('has the same quota for everybody', () => {
    expect(remoteQuota({ quota: 'auto' })).toBe('gluster');
    expect(remoteQuota({ quota: 'simple' })).toBe('simple');
    expect(remoteLayout(remotePool()).quota).toBe('gluster');
  });

  it('is refused where its keys do not fit, with its own file', () => {
    const refusal = (from: string | RegExp, to: string): string => {
      try {
        remotePool(TEXT.replace(from, to));
        return '';
      } catch (error) {
        return String(error);
      }
    };
    expect(refusal("'10.96.0.1:24100', ", '')).toMatch(/in far\.yaml: remote\.addresses: must list one for each brick/);
    expect(refusal("'10.96.0.1:24100'", "'10.96.0.1'")).toMatch(/remote\.addresses\[0\]: must be HOST:PORT/);
    expect(refusal('password: secret', 'password: "a b"')).toMatch(/remote\.credentials\.password: must be 1 to 128/);
    expect(refusal('type: managed', 'type: managed\nquota: project')).toMatch(/quota: cannot be project with remote/);
    expect(refusal('0d5f', 'XXXX')).toMatch(/remote\.volumeId: must be a UUID/);
  });
});

describe('the address of a brick', () => {
  it.each(['10.96.0.1:24100', 'a:1', 'kayal-fast-0.ns.svc.cluster.local:65535'])('may be %s', (text) => {
    const at = text.lastIndexOf(':');
    expect(parseBrickAddress(text)).toEqual({ host: text.slice(0, at), port: Number(text.slice(at + 1)) });
  });

  it.each(['', ':1', 'a', 'a:', 'a:0', 'a:65536', 'a b:1', '[::1]:1', '-a:1', 'a/b:1', 'a:1:2'])(
    'may not be %j',
    (text) => {
      expect(parseBrickAddress(text)).toBeUndefined();
    },
  );
});
