import { Client, credentials, Metadata, status, type ServiceError } from '@grpc/grpc-js';
import { csiService } from './schema.js';

type ServiceName = Parameters<typeof csiService>[0];

/** The work may still be going on: a container orchestrator asks again. */
const AGAIN: readonly number[] = [status.ABORTED, status.UNAVAILABLE, status.DEADLINE_EXCEEDED];
const PAUSE_MS = 20;

export interface CallOptions {
  readonly timeoutMs?: number | undefined;
}

function codeOf(error: unknown): number | undefined {
  return error instanceof Error && 'code' in error ? (error as ServiceError).code : undefined;
}

/** One driver on its unix socket, whoever wrote it. */
export class CsiSocket {
  readonly #client: Client;
  /** Calls that were asked again since it was last looked at. */
  repeated = 0;

  constructor(path: string) {
    this.#client = new Client(`unix://${path}`, credentials.createInsecure(), {
      'grpc.initial_reconnect_backoff_ms': 10,
      'grpc.max_reconnect_backoff_ms': 50,
    });
  }

  /** One call. @throws ServiceError of grpc-js */
  once<Response>(
    service: ServiceName,
    method: string,
    request: object,
    { timeoutMs = 120_000 }: CallOptions = {},
  ): Promise<Response> {
    const definition = csiService(service)[method];
    if (definition === undefined) throw new Error(`csi.v1.${service} has no ${method}`);
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        definition.path,
        definition.requestSerialize,
        definition.responseDeserialize,
        request,
        new Metadata(),
        { deadline: Date.now() + timeoutMs },
        (error, response) => (error === null ? resolve(response as Response) : reject(error)),
      );
    });
  }

  /** Repeats a call as sidecars do, until there is an answer. @throws ServiceError that is final */
  async call<Response>(service: ServiceName, method: string, request: object): Promise<Response> {
    const until = performance.now() + 120_000;
    for (;;) {
      try {
        return await this.once<Response>(service, method, request);
      } catch (error) {
        if (!AGAIN.includes(codeOf(error) ?? -1) || performance.now() > until) throw error;
        this.repeated++;
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
  }

  close(): void {
    this.#client.close();
  }
}
