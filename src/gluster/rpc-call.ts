import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { unavailable, messageOf } from '../base/errors.js';
import { readTlsFiles } from './tls-files.js';
import type { TlsFiles } from '../pools/types.js';
import { encodeUint, XdrReader } from './xdr.js';

export interface RpcCall {
  readonly host: string;
  readonly port: number;
  readonly program: number;
  readonly version: number;
  readonly procedure: number;
  /** The procedure's arguments, in XDR. */
  readonly body: Buffer;
  readonly timeoutMs: number;
  /** Absent: without TLS. */
  readonly tls?: TlsFiles | undefined;
}

/** RFC 5531: call, RPC version 2, credentials and verifier AUTH_NONE. */
function callHeader({ program, version, procedure }: RpcCall): Buffer {
  return Buffer.concat([1, 0, 2, program, version, procedure, 0, 0, 0, 0].map(encodeUint));
}

/** The last (here: only) fragment of a record: its length with the highest bit set (RFC 5531, section 11). */
function record(message: Buffer): Buffer {
  return Buffer.concat([encodeUint((0x80_00_00_00 | message.length) >>> 0), message]);
}

/** A volfile is far smaller; anything larger is not an answer to our question. */
const MAX_ANSWER = 16 * 1024 * 1024;

/** The message in `received`; undefined while it is incomplete. */
function unwrap(received: Buffer): Buffer | undefined {
  const fragments: Buffer[] = [];
  let offset = 0;
  while (received.length >= offset + 4) {
    const mark = received.readUInt32BE(offset);
    const length = mark & 0x7f_ff_ff_ff;
    if (length > MAX_ANSWER) throw unavailable(`the answer claims to be ${length} bytes long`);
    if (received.length < offset + 4 + length) return undefined;
    fragments.push(received.subarray(offset + 4, offset + 4 + length));
    if (mark >= 0x80_00_00_00) return Buffer.concat(fragments);
    offset += 4 + length;
  }
  return undefined;
}

function parseReply(message: Buffer): XdrReader {
  const reader = new XdrReader(message);
  const [, type, status] = [reader.uint(), reader.uint(), reader.uint()];
  if (type !== 1 || status !== 0) throw unavailable('it refused the call');
  reader.uint();
  reader.opaque();
  const accepted = reader.uint();
  if (accepted !== 0) throw unavailable(`it does not know the call (accept status ${accepted})`);
  return reader;
}

/** GlusterFS compares no host name with a certificate's: whoever has one of the authority is a server. */
async function open({ host, port, tls }: RpcCall): Promise<Socket> {
  if (tls === undefined) return connect({ host, port });
  return connectTls({ host, port, ...(await readTlsFiles(tls)), checkServerIdentity: () => undefined });
}

/**
 * One ONC RPC call over a TCP connection of its own.
 * @returns the procedure's result, to be read from
 * @throws KayalError UNAVAILABLE when there is no answer in time, or none that can be understood
 */
export async function callRpc(call: RpcCall): Promise<XdrReader> {
  const socket = await open(call).catch((error: unknown) => {
    throw unavailable(`${call.host}:${call.port} cannot be asked: ${messageOf(error)}`, { cause: error });
  });
  const timer = setTimeout(() => socket.destroy(new Error(`no answer within ${call.timeoutMs} ms`)), call.timeoutMs);
  try {
    socket.write(record(Buffer.concat([callHeader(call), call.body])));
    let received = Buffer.alloc(0);
    for await (const chunk of socket) {
      received = Buffer.concat([received, chunk as Buffer]);
      const message = unwrap(received);
      if (message !== undefined) return parseReply(message);
    }
    throw new Error('the connection was closed');
  } catch (error) {
    throw unavailable(`${call.host}:${call.port} cannot be asked: ${messageOf(error)}`, { cause: error });
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}
