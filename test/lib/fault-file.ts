import { appendFile, readFile, rm, writeFile } from 'node:fs/promises';
import { labelOfPoint } from './call-sites.js';
import { sleep } from './wait.js';

/** More than any call has. */
const UNREACHABLE = 1_000_000;

/** The part that runs the tests names the file that it makes the crash matrix of. */
export const CRASH_MATRIX = 'KAYAL_CRASH_MATRIX';

/** A point, and how many passes of it come to the kill: 1 is the next. */
export interface KillPoint {
  readonly point: string;
  readonly pass: number;
}

/** One kill that happened, for the crash matrix. */
export interface KillNote {
  /** What was killed: a call of CSI, a command, a job. */
  readonly what: string;
  /** Of the call site, as call-sites.ts has it. */
  readonly site: string;
}

/** Call sites at which this run has killed something already, in any of its files. */
export async function visitedSites(): Promise<Set<string>> {
  const file = process.env[CRASH_MATRIX];
  const lines = file === undefined ? '' : await readFile(file, 'utf8').catch(() => '');
  const notes = lines.split('\n').filter(Boolean);
  return new Set([...notes.map((line) => (JSON.parse(line) as KillNote).site), ...ownSites]);
}

/** By this file of tests. */
const ownSites = new Set<string>();

/** The file by which a process with KAYAL_FAULT_POINTS is told where to die (src/linux/fault-points.ts), and tells where it did. */
export class FaultFile {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** For the process. */
  get env(): Record<string, string> {
    return { KAYAL_FAULT_POINTS: this.path };
  }

  /** The points that are passed while `work` goes on, also in the background. */
  async trace(work: () => Promise<unknown>): Promise<string[]> {
    await rm(`${this.path}.trace`, { force: true });
    await writeFile(this.path, String(UNREACHABLE));
    await work();
    const trace = await readFile(`${this.path}.trace`, 'utf8').catch(() => '');
    await this.disarm();
    return trace.split('\n').filter(Boolean);
  }

  async arm({ point, pass }: KillPoint): Promise<void> {
    await rm(`${this.path}.killed`, { force: true });
    await rm(`${this.path}.trace`, { force: true });
    await writeFile(this.path, `${pass} ${point}`);
  }

  /** A thread that is just counting may write its number once more. */
  async disarm(): Promise<void> {
    do {
      await writeFile(this.path, '');
      await sleep(50);
    } while ((await readFile(this.path, 'utf8')) !== '');
  }

  /** Whether the process came to its end since `arm`. It is noted for the crash matrix. */
  async hasKilled(what: string): Promise<boolean> {
    const [point] = (await readFile(`${this.path}.killed`, 'utf8').catch(() => '')).split('\n').filter(Boolean);
    if (point === undefined) return false;
    const note: KillNote = { what, site: await labelOfPoint(point) };
    ownSites.add(note.site);
    const file = process.env[CRASH_MATRIX];
    if (file !== undefined) await appendFile(file, `${JSON.stringify(note)}\n`);
    return true;
  }
}
