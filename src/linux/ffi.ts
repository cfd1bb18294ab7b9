/*
 * The only file that imports koffi, which is access to raw memory.
 */
import koffi from 'koffi';
import { SystemError } from '../base/errors.js';

/** What a call was about, for its error; a function when making the text costs something. */
export type About = string | (() => string);
/** A string, or bytes that end with a NUL (a name as getdents64 left it in its buffer). */
export type CString = string | Uint8Array;

type Value = number | bigint | CString | null;
/** A function of the C library. */
export type Native = (...values: readonly Value[]) => number | bigint;

const errnos = koffi.os.errno;
/** Two names share a number (EAGAIN and EWOULDBLOCK): the one that the kernel's headers and errno(3) put first stays. */
const ALIASES: ReadonlySet<string> = new Set(['EWOULDBLOCK', 'ENOTSUP', 'EDEADLOCK']);
const names = new Map(Object.entries(errnos).flatMap(([name, errno]) => (ALIASES.has(name) ? [] : [[errno, name]])));
const library = koffi.load(null);

/** A function of the C library by its C declaration. */
export function declare(definition: string): Native {
  return library.func(definition) as Native;
}

/** Makes functions of another library by their C declarations; undefined when it is not installed. */
export function declareIn(name: string): ((definition: string) => Native) | undefined {
  try {
    const found = koffi.load(name);
    return (definition) => found.func(definition) as Native;
  } catch {
    return undefined;
  }
}

/** What errno says of the call before. */
export function failureOf(name: string, about: About): SystemError {
  const errno = koffi.errno();
  return new SystemError(names.get(errno) ?? `E${errno}`, name, typeof about === 'string' ? about : about());
}

/**
 * Makes a system call, again when a signal interrupted it.
 * @throws SystemError with the name of errno when the result is -1
 */
export function call(name: string, about: About, native: Native, ...values: readonly Value[]): number {
  for (;;) {
    const result = Number(native(...values));
    if (result !== -1) return result;
    if (koffi.errno() === errnos['EINTR']) continue;
    throw failureOf(name, about);
  }
}
