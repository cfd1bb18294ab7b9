import { unavailable } from '../base/errors.js';

/** XDR (RFC 4506): everything is big-endian and padded to four bytes. */
function padded(length: number): number {
  return Math.ceil(length / 4) * 4;
}

export function encodeUint(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32BE(value);
  return buffer;
}

/** `string<>` and `opaque<>` look the same on the wire. */
export function encodeOpaque(data: Uint8Array | string): Buffer {
  const bytes = Buffer.from(data);
  const buffer = Buffer.alloc(4 + padded(bytes.length));
  buffer.writeUInt32BE(bytes.length);
  bytes.copy(buffer, 4);
  return buffer;
}

/**
 * GlusterFS' own form of a dictionary inside an opaque (libglusterfs, dict_serialize): the number of pairs, then per
 * pair the lengths of key and value and both, each with a NUL at its end; only the value's length counts the NUL.
 */
export function encodeDict(pairs: Readonly<Record<string, string>>): Buffer {
  const entries = Object.entries(pairs);
  return Buffer.concat([
    encodeUint(entries.length),
    ...entries.map(([key, value]) => {
      const bytes = Buffer.from(`${key}\0${value}\0`);
      return Buffer.concat([encodeUint(Buffer.byteLength(key)), encodeUint(Buffer.byteLength(value) + 1), bytes]);
    }),
  ]);
}

/** Reads XDR from the start of a buffer; whatever does not fit in it is an answer that cannot be understood. */
export class XdrReader {
  readonly #data: Buffer;
  #offset = 0;

  constructor(data: Buffer) {
    this.#data = data;
  }

  #take(length: number): Buffer {
    const end = this.#offset + length;
    if (end > this.#data.length) throw unavailable('the answer ends before its time');
    const part = this.#data.subarray(this.#offset, end);
    this.#offset = Math.min(this.#offset + padded(length), this.#data.length);
    return part;
  }

  uint(): number {
    return this.#take(4).readUInt32BE();
  }

  int(): number {
    return this.#take(4).readInt32BE();
  }

  opaque(): Buffer {
    return this.#take(this.uint());
  }
}
