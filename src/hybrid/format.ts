/*
 * The file of a state, in the volume's directory of the pool: a state is what the volume's filesystem was at one moment.
 *
 *   magic (8 bytes) | length of the header, number of ranges (u32 each, little endian) | header (JSON)
 *   ranges: offset (u64), length (u64, its highest bit: it reads as zeros)
 *   zeros up to a whole block | the content of the ranges, one after the other
 *
 * A state that has no predecessors holds all that is not zero in the filesystem; any other one what changed since.
 */
import * as v from 'valibot';
import type { FileRange } from '../linux/extents.js';

const MAGIC = Buffer.from('KAYALST1', 'latin1');
const FIXED = 16;
const RANGE = 16;
const BLOCK = 4096;
const ZERO = 1n << 63n;
/** A number of its own for each: more than 64 bits of chance, or of JavaScript's whole numbers, are not needed. */
const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const headerSchema = v.looseObject({
  format: v.literal(1),
  volume: v.string(),
  id: v.string(),
  n: whole,
  size: whole,
  reaches: v.string(),
  before: v.array(v.object({ n: whole, bytes: whole })),
});

/** A state that a later one builds upon. */
export interface Predecessor {
  readonly n: number;
  /** Of its file. */
  readonly bytes: number;
}

export interface StateHeader {
  readonly format: 1;
  readonly volume: string;
  /** Tells it from every other state of any volume. */
  readonly id: string;
  /** Grows from state to state. */
  readonly n: number;
  /** Of the image that the filesystem is in, in bytes. */
  readonly size: number;
  /** The moment that it shows: ISO 8601, UTC, by the clock of the node. */
  readonly reaches: string;
  /** What it builds upon, the oldest first, which builds upon nothing. */
  readonly before: readonly Predecessor[];
}

/** The beginning of a state's file. */
export interface StateStart {
  readonly header: StateHeader;
  readonly ranges: readonly FileRange[];
  /** Where the content begins. */
  readonly dataOffset: number;
}

const up = (bytes: number): number => Math.ceil(bytes / BLOCK) * BLOCK;

/** How much content the ranges have, in bytes. */
export function dataBytesOf(ranges: readonly FileRange[]): number {
  return ranges.reduce((sum, { length, zero }) => sum + (zero ? 0 : length), 0);
}

/** The size of the whole file. */
export function fileBytesOf({ dataOffset, ranges }: Pick<StateStart, 'dataOffset' | 'ranges'>): number {
  return dataOffset + dataBytesOf(ranges);
}

export function encodeStart(header: StateHeader, ranges: readonly FileRange[]): Buffer {
  const json = Buffer.from(JSON.stringify(header));
  const buffer = Buffer.alloc(up(FIXED + json.length + ranges.length * RANGE));
  MAGIC.copy(buffer);
  buffer.writeUInt32LE(json.length, 8);
  buffer.writeUInt32LE(ranges.length, 12);
  json.copy(buffer, FIXED);
  for (const [index, { offset, length, zero }] of ranges.entries()) {
    const at = FIXED + json.length + index * RANGE;
    buffer.writeBigUInt64LE(BigInt(offset), at);
    buffer.writeBigUInt64LE(BigInt(length) | (zero ? ZERO : 0n), at + 8);
  }
  return buffer;
}

/** How many bytes the beginning has, by its first ones. @throws Error when they are not of a state */
export function startBytes(first: Buffer): number {
  if (first.length < FIXED || !first.subarray(0, MAGIC.length).equals(MAGIC)) throw new Error('it is no state');
  return up(FIXED + first.readUInt32LE(8) + first.readUInt32LE(12) * RANGE);
}

/** @throws Error when it is not the whole beginning of a state */
export function decodeStart(buffer: Buffer): StateStart {
  const dataOffset = startBytes(buffer);
  if (buffer.length < dataOffset) throw new Error('its beginning is cut off');
  const table = FIXED + buffer.readUInt32LE(8);
  const parsed = v.safeParse(headerSchema, JSON.parse(buffer.toString('utf8', FIXED, table)));
  if (!parsed.success) throw new Error(`its header is not one: ${parsed.issues[0].message}`);
  const ranges = Array.from({ length: buffer.readUInt32LE(12) }, (_, index): FileRange => {
    const at = table + index * RANGE;
    const length = buffer.readBigUInt64LE(at + 8);
    return { offset: Number(buffer.readBigUInt64LE(at)), length: Number(length & ~ZERO), zero: (length & ZERO) !== 0n };
  });
  const { format, volume, id, n, size, reaches, before } = parsed.output;
  if (ranges.some(({ offset, length }) => offset + length > size)) throw new Error('it has content behind its end');
  return { header: { format, volume, id, n, size, reaches, before }, ranges, dataOffset };
}
