import { status } from '@grpc/grpc-js';
import { KayalError, SystemError, messageOf, type ErrorCode } from '../base/errors.js';

const STATUS: Readonly<Record<ErrorCode, status>> = {
  INVALID_ARGUMENT: status.INVALID_ARGUMENT,
  NOT_FOUND: status.NOT_FOUND,
  ALREADY_EXISTS: status.ALREADY_EXISTS,
  OUT_OF_RANGE: status.OUT_OF_RANGE,
  RESOURCE_EXHAUSTED: status.RESOURCE_EXHAUSTED,
  FAILED_PRECONDITION: status.FAILED_PRECONDITION,
  ABORTED: status.ABORTED,
  UNAVAILABLE: status.UNAVAILABLE,
  DEADLINE_EXCEEDED: status.DEADLINE_EXCEEDED,
};

/** What a call is answered with when it fails. */
export interface RpcStatus {
  readonly code: status;
  readonly details: string;
}

/**
 * The gRPC status of anything that was thrown.
 *
 * A system call that failed leaves the pool in a state that a retry can go on from, so it is UNAVAILABLE, not
 * INTERNAL: external-provisioner takes INTERNAL and RESOURCE_EXHAUSTED as final and would leak the volume. Only what
 * is a fault of this program itself is INTERNAL, and its message is kept for the log.
 */
export function statusOf(error: unknown): RpcStatus {
  if (error instanceof KayalError) return { code: STATUS[error.code], details: error.message };
  if (error instanceof SystemError) {
    return { code: status.UNAVAILABLE, details: `the pool's storage failed: ${error.message}` };
  }
  return { code: status.INTERNAL, details: `internal error of Kayal (${messageOf(error)}): please report it` };
}
