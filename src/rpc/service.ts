import type { handleUnaryCall, sendUnaryData, ServerUnaryCall, UntypedServiceImplementation } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import type { Logger } from '../base/logger.js';
import { statusOf } from './status.js';

/** What a handler knows of the call besides its request. */
export interface CallContext {
  /** The method's name without its service, for example CreateVolume. */
  readonly method: string;
  /** Aborts when the caller gave up or its deadline passed, never after the handler ended. */
  readonly signal: AbortSignal;
  /** Has the request's id, method and volume on every line. */
  readonly log: Logger;
}

export type Handler<Request, Response> = (request: Request, call: CallContext) => Promise<Response>;

/** grpc-js' generated handler types carry a string index signature, which would let a misspelt method compile. */
type DeclaredKeys<T> = keyof { [K in keyof T as string extends K ? never : number extends K ? never : K]: unknown };

/** A service as promises: every method of `Handlers` is optional; one that is absent answers UNIMPLEMENTED. */
export type Service<Handlers> = {
  readonly [K in DeclaredKeys<Handlers>]?: Handlers[K] extends handleUnaryCall<infer Request, infer Response>
    ? Handler<Request, Response>
    : never;
};

/** One finished call, for the log and the metrics. */
export interface CallReport {
  readonly method: string;
  readonly code: string;
  readonly durationMs: number;
  readonly request: object;
  readonly error?: unknown;
  readonly log: Logger;
}

export interface ServiceHooks {
  /** A logger for one call, with the fields that identify it. */
  readonly loggerFor: (method: string, request: object) => Logger;
  readonly onStart: (method: string) => void;
  readonly onEnd: (report: CallReport) => void;
}

/**
 * The one place where promises meet grpc-js' callbacks: answers exactly once, turns whatever is thrown into a status,
 * and gives each call an AbortSignal. grpc-js emits 'cancelled' after successful calls too (grpc/grpc-node#2771).
 */
export function implement<Handlers>(service: Service<Handlers>, hooks: ServiceHooks): UntypedServiceImplementation {
  const entries = Object.entries(service) as [string, Handler<object, object> | undefined][];
  return Object.fromEntries(
    entries
      .filter((entry): entry is [string, Handler<object, object>] => entry[1] !== undefined)
      .map(([method, handler]) => [method, adapt(method, handler, hooks)]),
  );
}

function adapt(method: string, handler: Handler<object, object>, hooks: ServiceHooks): handleUnaryCall<object, object> {
  return (call: ServerUnaryCall<object, object>, callback: sendUnaryData<object>) => {
    const { request } = call;
    const started = performance.now();
    const controller = new AbortController();
    let settled = false;
    call.on('cancelled', () => {
      if (!settled) controller.abort();
    });
    const log = hooks.loggerFor(method, request);
    const end = (code: status, error?: unknown): void => {
      settled = true;
      const durationMs = performance.now() - started;
      hooks.onEnd({ method, code: status[code], durationMs, request, error, log });
    };
    hooks.onStart(method);
    handler(request, { method, signal: controller.signal, log }).then(
      (response) => {
        end(status.OK);
        callback(null, response);
      },
      (error: unknown) => {
        const answer = statusOf(error);
        end(answer.code, error);
        callback(answer);
      },
    );
  };
}
