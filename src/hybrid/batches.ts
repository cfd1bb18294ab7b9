import type { FileRange } from '../linux/extents.js';
import type { CopiedRange } from '../linux/operations/ranges.js';

/** What one call of a worker copies at most: it comes through a slow pool within its deadline. */
const BATCH_BYTES = 8 * 1024 * 1024;
const BATCH_RANGES = 4_096;

/** A range of an image, and where its content lies in the file of a state. */
interface Placed {
  readonly image: number;
  readonly file: number;
  readonly length: number;
}

/** The content of a state's ranges, in pieces for one call each. */
export function* batchesOf(ranges: readonly FileRange[], dataOffset: number): Generator<Placed[], void> {
  let batch: Placed[] = [];
  let bytes = 0;
  let file = dataOffset;
  for (const { offset, length, zero } of ranges) {
    if (zero) continue;
    for (let done = 0; done < length;) {
      const piece = Math.min(length - done, BATCH_BYTES - bytes);
      batch.push({ image: offset + done, file, length: piece });
      done += piece;
      file += piece;
      bytes += piece;
      if (bytes < BATCH_BYTES && batch.length < BATCH_RANGES) continue;
      yield batch;
      batch = [];
      bytes = 0;
    }
  }
  if (batch.length > 0) yield batch;
}

/** From the image into the file. */
export function intoFile(batch: readonly Placed[]): CopiedRange[] {
  return batch.map(({ image, file, length }) => ({ from: image, to: file, length }));
}

/** From the file into the image. */
export function intoImage(batch: readonly Placed[]): CopiedRange[] {
  return batch.map(({ image, file, length }) => ({ from: file, to: image, length }));
}

/** The ranges that read as zeros, in pieces for one call each. */
export function* holesOf(ranges: readonly FileRange[]): Generator<FileRange[], void> {
  const holes = ranges.filter(({ zero }) => zero);
  for (let at = 0; at < holes.length; at += BATCH_RANGES) yield holes.slice(at, at + BATCH_RANGES);
}
