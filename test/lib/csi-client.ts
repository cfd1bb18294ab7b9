import { Client, credentials, Metadata, type ServiceDefinition, type ServiceError } from '@grpc/grpc-js';
import type { MethodDefinition } from '@grpc/proto-loader';
import type { ControllerDefinition } from '../../src/gen/csi/v1/Controller.js';
import type { GroupControllerDefinition } from '../../src/gen/csi/v1/GroupController.js';
import type { IdentityDefinition } from '../../src/gen/csi/v1/Identity.js';
import type { NodeDefinition } from '../../src/gen/csi/v1/Node.js';
import { serviceDefinition } from '../../src/rpc/schema.js';

/** Drops the index signature that the generated definitions inherit, so that a misspelt method does not compile. */
type Declared<T> = { [K in keyof T as string extends K ? never : K]: T[K] };

interface CallOptions {
  /** Default 60 s. */
  readonly timeoutMs?: number | undefined;
}

type Calls<Definition> = {
  readonly [K in keyof Declared<Definition>]: Declared<Definition>[K] extends MethodDefinition<
    infer Request,
    infer _Response,
    infer _RequestOutput,
    infer ResponseOutput
  >
    ? (request: Request, options?: CallOptions) => Promise<ResponseOutput>
    : never;
};

/** The services of one CSI endpoint, each method a promise. Failures are grpc-js' ServiceError (`code`, `details`). */
export interface CsiClient {
  readonly identity: Calls<IdentityDefinition>;
  readonly controller: Calls<ControllerDefinition>;
  readonly groupController: Calls<GroupControllerDefinition>;
  readonly node: Calls<NodeDefinition>;
  close(): void;
}

function callsOf<Definition>(client: Client, definition: ServiceDefinition): Calls<Definition> {
  const calls = Object.entries(definition).map(([name, method]) => {
    const call = (request: object, options: CallOptions = {}): Promise<unknown> =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          method.path,
          method.requestSerialize,
          method.responseDeserialize,
          request,
          new Metadata(),
          { deadline: Date.now() + (options.timeoutMs ?? 60_000) },
          (error, response) => (error === null ? resolve(response) : reject(error)),
        );
      });
    return [name, call] as const;
  });
  return Object.fromEntries(calls) as Calls<Definition>;
}

/** @param endpoint `unix:///absolute/path` */
export function connectCsi(endpoint: string): CsiClient {
  // A driver that is just starting has no socket yet; grpc-js would wait a second before it looks again.
  const client = new Client(endpoint, credentials.createInsecure(), {
    'grpc.initial_reconnect_backoff_ms': 50,
    'grpc.max_reconnect_backoff_ms': 200,
  });
  return {
    identity: callsOf<IdentityDefinition>(client, serviceDefinition('csi.v1.Identity')),
    controller: callsOf<ControllerDefinition>(client, serviceDefinition('csi.v1.Controller')),
    groupController: callsOf<GroupControllerDefinition>(client, serviceDefinition('csi.v1.GroupController')),
    node: callsOf<NodeDefinition>(client, serviceDefinition('csi.v1.Node')),
    close: () => client.close(),
  };
}

/** True for a call that was answered with a status other than OK, or not at all. */
export function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' && 'details' in error;
}
