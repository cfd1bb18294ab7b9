import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { brickVolfileId, getSpec } from './get-spec.js';
import { encodeOpaque, encodeUint } from './xdr.js';

/** A server that answers the first thing it is sent with the given pieces, and keeps what it was sent. */
async function answering(
  pieces: readonly Buffer[],
): Promise<{ port: number; received: Promise<Buffer>; server: Server }> {
  let keep: (data: Buffer) => void;
  const received = new Promise<Buffer>((resolve) => (keep = resolve));
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (data) => {
      keep(data);
      for (const piece of pieces) socket.write(piece);
      if (pieces.length > 0) socket.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, received, server };
}

function fragment(data: Buffer, last: boolean): Buffer {
  return Buffer.concat([encodeUint((last ? 0x80_00_00_00 : 0) + data.length), data]);
}

function reply(opRet: number, opErrno: number, spec: string): Buffer {
  const numbers = (...values: number[]): Buffer => {
    const buffer = Buffer.alloc(4 * values.length);
    for (const [index, value] of values.entries()) buffer.writeInt32BE(value, 4 * index);
    return buffer;
  };
  return Buffer.concat([numbers(1, 1, 0, 0, 0, 0, opRet, opErrno), encodeOpaque(spec), encodeOpaque('')]);
}

describe('getSpec', () => {
  let server: Server | undefined;
  afterEach(() => server?.close());

  const ask = async (pieces: readonly Buffer[], timeoutMs = 2_000): Promise<string> => {
    const answer = await answering(pieces);
    server = answer.server;
    return getSpec({ host: '127.0.0.1', port: answer.port, key: 'vol', timeoutMs });
  };

  it('asks as glusterfs does, and joins fragments', async () => {
    const message = reply(4, 0, 'spec');
    const answer = await answering([fragment(message.subarray(0, 10), false), fragment(message.subarray(10), true)]);
    server = answer.server;
    expect(await getSpec({ host: '127.0.0.1', port: answer.port, key: 'vol' })).toBe('spec');
    const sent = await answer.received;
    expect(sent.readUInt32BE(0)).toBe((0x80_00_00_00 + sent.length - 4) >>> 0);
    expect([12, 16, 20, 24].map((offset) => sent.readUInt32BE(offset))).toEqual([2, 14_398_633, 2, 2]);
    expect(sent.includes('max-op-version\0')).toBe(true);
  });

  it('knows a volume that is not there', async () => {
    await expect(ask([fragment(reply(-1, 2, ''), true)])).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it.each([
    ['another refusal', [fragment(reply(-1, 22, ''), true)]],
    ['an answer that ends early', [fragment(reply(4, 0, 'spec').subarray(0, 30), true)]],
    ['an answer of another protocol', [Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')]],
    ['no answer', []],
  ])('takes %s for a server that cannot be asked', async (_, pieces) => {
    await expect(ask(pieces, 200)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('names bricks as glusterd does', () => {
    expect(brickVolfileId('gv', 'vm', '/srv/bricks/b1')).toBe('gv.vm.srv-bricks-b1');
  });
});
