/** The failure classes that cross layer boundaries; rpc/status.ts turns each into one gRPC status. */
export type ErrorCode =
  | 'INVALID_ARGUMENT'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'OUT_OF_RANGE'
  | 'RESOURCE_EXHAUSTED'
  | 'FAILED_PRECONDITION'
  | 'ABORTED'
  | 'UNAVAILABLE'
  | 'DEADLINE_EXCEEDED';

/**
 * A failure with a meaning for the caller. The message is shown to people as it is: it says what was asked, what is
 * wrong and what to do, and never holds a secret or a stack.
 */
export class KayalError extends Error {
  override readonly name = 'KayalError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

type Maker = (message: string, options?: ErrorOptions) => KayalError;
const maker =
  (code: ErrorCode): Maker =>
  (message, options) =>
    new KayalError(code, message, options);

export const invalidArgument: Maker = maker('INVALID_ARGUMENT');
export const notFound: Maker = maker('NOT_FOUND');
export const alreadyExists: Maker = maker('ALREADY_EXISTS');
export const outOfRange: Maker = maker('OUT_OF_RANGE');
export const exhausted: Maker = maker('RESOURCE_EXHAUSTED');
export const failedPrecondition: Maker = maker('FAILED_PRECONDITION');
export const aborted: Maker = maker('ABORTED');
export const unavailable: Maker = maker('UNAVAILABLE');
export const deadlineExceeded: Maker = maker('DEADLINE_EXCEEDED');

/** A system call that failed: `code` is the errno's name (ENOENT, ENOTCONN, …), `call` the system call, `path` what it was about. */
export class SystemError extends Error {
  override readonly name = 'SystemError';
  readonly code: string;
  readonly call: string;
  readonly path: string;

  constructor(code: string, call: string, path: string, options?: ErrorOptions) {
    super(`${call} ${path}: ${code}`, options);
    this.code = code;
    this.call = call;
    this.path = path;
  }
}

/** True when `error` is a failed system call with one of the given errno names. */
export function isErrno(error: unknown, ...codes: readonly string[]): error is SystemError | NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && codes.includes(error.code);
}

/** The text of anything that was thrown, for messages and logs. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
