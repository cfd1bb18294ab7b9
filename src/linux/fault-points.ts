import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { isErrno } from '../base/errors.js';

/** What is to pass before the kill: so many points of any kind, or of one. */
interface Armed {
  readonly point: string | undefined;
  readonly count: number;
}

/** undefined: not armed. */
function armedBy(file: string): Armed | undefined {
  try {
    const text = readFileSync(file, 'utf8').trim();
    if (text === '') return undefined;
    const [count = '', point] = text.split(' ');
    return { count: Number(count), point };
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

type Call = (...values: unknown[]) => unknown;

/** Where `callee` was called, as FILE:LINE:COLUMN of the bundle: the test knows which source that is. */
function callerOf(callee: Call): string {
  const usual = Object.getOwnPropertyDescriptor(Error, 'prepareStackTrace') ?? {
    value: undefined,
    writable: true,
    configurable: true,
  };
  let place = '';
  Error.prepareStackTrace = (_, [site]) => {
    place = `${basename(site?.getFileName() ?? '')}:${site?.getLineNumber()}:${site?.getColumnNumber()}`;
  };
  try {
    const trace = new Error('where am I called?');
    Error.captureStackTrace(trace, callee);
    // It is prepared when it is looked at.
    String(trace.stack);
    return place;
  } finally {
    Object.defineProperty(Error, 'prepareStackTrace', usual);
  }
}

/**
 * Puts a fault point before and one after every call of a table. Each is a line in `<file>.trace`, CALL@PLACE/before or
 * …/after, while `file` holds something: either a count, from which every point takes one, or a count and a point, for
 * which only that one does. At 0 the point becomes a line of `<file>.killed`, and the whole process is killed as `kill -9`
 * would. A missing or empty file lets everything pass. For tests that stop Kayal between any two steps.
 */
export function addFaultPoints(table: object, file: string): void {
  const pass = (point: string): void => {
    const armed = armedBy(file);
    if (armed === undefined) return;
    appendFileSync(`${file}.trace`, `${point}\n`);
    if (armed.point !== undefined && armed.point !== point) return;
    const left = armed.count - 1;
    writeFileSync(file, armed.point === undefined ? String(left) : `${left} ${armed.point}`);
    if (left > 0) return;
    appendFileSync(`${file}.killed`, `${point}\n`);
    process.kill(process.pid, 'SIGKILL');
  };
  const calls = Object.entries(table) as [string, Call][];
  const wrapped = calls.map(([name, original]) => {
    const call = (...values: unknown[]): unknown => {
      const point = `${name}@${callerOf(call)}`;
      pass(`${point}/before`);
      const result = original(...values);
      if (!(result instanceof Promise)) {
        pass(`${point}/after`);
        return result;
      }
      return result.then((value: unknown) => {
        pass(`${point}/after`);
        return value;
      });
    };
    return [name, call];
  });
  Object.assign(table, Object.fromEntries(wrapped));
}

/** addFaultPoints for a process that a test started with KAYAL_FAULT_POINTS=FILE; nothing in any other. */
export function addFaultPointsIfAsked(table: object): void {
  const file = process.env['KAYAL_FAULT_POINTS'];
  if (file !== undefined && file !== '') addFaultPoints(table, file);
}
