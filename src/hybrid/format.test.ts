import { describe, expect, it } from 'vitest';
import { batchesOf, holesOf, intoFile, intoImage } from './batches.js';
import { dataBytesOf, decodeStart, encodeStart, fileBytesOf, startBytes, type StateHeader } from './format.js';

const MiB = 1024 * 1024;
const header: StateHeader = {
  format: 1,
  volume: 'fast/pvc-1',
  id: 'd0c5',
  n: 7,
  size: 64 * MiB,
  reaches: '2026-11-22T02:00:00.000Z',
  before: [{ n: 3, bytes: 8192 }],
};
const ranges = [
  { offset: 4096, length: 20 * MiB, zero: false },
  { offset: 30 * MiB, length: 4096, zero: true },
  { offset: 40 * MiB, length: 8192, zero: false },
];

describe('the beginning of a state', () => {
  it('is read as it was written', () => {
    const buffer = encodeStart(header, ranges);
    expect(buffer.length % 4096).toBe(0);
    expect(startBytes(buffer.subarray(0, 64))).toBe(buffer.length);
    const start = decodeStart(buffer);
    expect(start).toEqual({ header, ranges, dataOffset: buffer.length });
    expect(fileBytesOf(start)).toBe(buffer.length + 20 * MiB + 8192);
    expect(dataBytesOf(ranges)).toBe(20 * MiB + 8192);
  });

  it('is refused when it is anything else', () => {
    const buffer = encodeStart(header, ranges);
    expect(() => decodeStart(Buffer.alloc(4096))).toThrow('it is no state');
    expect(() => decodeStart(buffer.subarray(0, 100))).toThrow('cut off');
    const beyond = encodeStart({ ...header, size: MiB }, ranges);
    expect(() => decodeStart(beyond)).toThrow('behind its end');
    const other = encodeStart({ ...header, format: 2 as unknown as 1 }, ranges);
    expect(() => decodeStart(other)).toThrow('its header is not one');
  });
});

describe('the content of a state', () => {
  it('is copied in pieces that follow one another, holes apart', () => {
    const batches = [...batchesOf(ranges, 4096)];
    expect(batches.map((batch) => batch.reduce((sum, { length }) => sum + length, 0))).toEqual([
      8 * MiB,
      8 * MiB,
      4 * MiB + 8192,
    ]);
    const files = batches.flatMap(intoFile);
    let file = 4096;
    for (const { to, length } of files) {
      expect(to).toBe(file);
      file += length;
    }
    expect(files[0]).toEqual({ from: 4096, to: 4096, length: 8 * MiB });
    expect(files.at(-1)).toEqual({ from: 40 * MiB, to: 4096 + 20 * MiB, length: 8192 });
    expect(batches.flatMap(intoImage).at(-1)).toEqual({ from: 4096 + 20 * MiB, to: 40 * MiB, length: 8192 });
    expect([...holesOf(ranges)]).toEqual([[ranges[1]]]);
    expect([...batchesOf([], 4096)]).toEqual([]);
  });
});
