import { readFile } from 'node:fs/promises';

/** Fields of /sys/block/DEVICE/stat (Documentation/block/stat.rst): sectors written, discarded. */
const WRITTEN = 6;
const DISCARDED = 13;

/** How many sectors of 512 bytes were ever written to a loop device, or discarded: the same twice, nothing changed between. */
export async function sectorsWritten(number: number): Promise<number> {
  const fields = (await readFile(`/sys/block/loop${number}/stat`, 'utf8')).trim().split(/\s+/).map(Number);
  return (fields[WRITTEN] ?? 0) + (fields[DISCARDED] ?? 0);
}
