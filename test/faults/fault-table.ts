import { appendFile } from 'node:fs/promises';

/** One kind of fault that a test caused, for the table at the end of `npm run test:faults`. */
export interface FaultRow {
  readonly fault: string;
  /** How often it was caused. */
  readonly times: number;
  /** What pods or callers saw. */
  readonly seen: string;
  /** What held afterwards, every time. */
  readonly held: string;
}

/** The part that runs the tests names the file that it makes the table of. */
export const FAULT_TABLE = 'KAYAL_FAULT_TABLE';

/** Call it at the end of a test, when all that it says was shown. */
export async function noteFault(row: FaultRow): Promise<void> {
  const file = process.env[FAULT_TABLE];
  if (file !== undefined) await appendFile(file, `${JSON.stringify(row)}\n`);
}

const HEAD: FaultRow = { fault: 'fault', times: 0, seen: 'seen', held: 'held' };

/** @param lines of the file that the tests wrote; a text of one line per kind, '' when there was none */
export function formatFaults(lines: string): string {
  const rows = lines
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as FaultRow);
  if (rows.length === 0) return '';
  const wide = Math.max(...[HEAD, ...rows].map(({ fault }) => fault.length));
  const seenWide = Math.max(...[HEAD, ...rows].map(({ seen }) => seen.length));
  return [HEAD, ...rows]
    .map(({ fault, times, seen, held }) => {
      const count = times === 0 ? 'times' : String(times);
      return `${fault.padEnd(wide)}  ${count.padStart(5)}  ${seen.padEnd(seenWide)}  ${held}`.trimEnd();
    })
    .join('\n');
}
