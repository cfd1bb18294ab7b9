import { Agent, request } from 'node:https';
import { messageOf, unavailable } from '../base/errors.js';
import type { ApiServer } from './api-server.js';

/** A page of 500 objects at their greatest (1.5 MiB each, etcd's limit) is none that a cluster has. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/** Its idle sockets keep no process alive (they are unreferenced, node:https). */
export function createAgent(): Agent {
  return new Agent({ keepAlive: true, maxSockets: 4 });
}

export interface HttpQuestion {
  readonly path: string;
  readonly deadlineMs: number;
  /** Default: POST with a body, GET without. */
  readonly method?: 'DELETE' | 'PATCH' | 'PUT' | undefined;
  /** JSON text. */
  readonly body?: string | undefined;
  /** Of the body; default application/json. */
  readonly contentType?: string | undefined;
}

/**
 * One request, its whole answer.
 * @throws KayalError UNAVAILABLE when there is no answer within `deadlineMs`, FAILED_PRECONDITION for credentials that
 *   cannot be read
 */
export async function httpRequest(
  server: ApiServer,
  agent: Agent,
  { path, deadlineMs, body, method, contentType = 'application/json' }: HttpQuestion,
): Promise<HttpAnswer> {
  const { ca, cert, key, token } = await server.credentials();
  const signal = AbortSignal.timeout(deadlineMs);
  const url = new URL(`${server.url.pathname.replace(/\/$/, '')}${path}`, server.url);
  const failed = (error: unknown): Error => {
    const reason = signal.aborted ? `no answer within ${deadlineMs / 1000} s` : messageOf(error);
    return unavailable(`the API server at ${server.url.origin} (${server.source}): ${reason}`, { cause: error });
  };
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      {
        method: method ?? (body === undefined ? 'GET' : 'POST'),
        agent,
        signal,
        ca,
        cert,
        key,
        ...(server.servername === undefined ? {} : { servername: server.servername }),
        rejectUnauthorized: !server.isInsecure,
        headers: {
          accept: 'application/json',
          'user-agent': 'kayal',
          // Node.js tells no length of the body of a DELETE by itself.
          ...(body === undefined ? {} : { 'content-type': contentType, 'content-length': Buffer.byteLength(body) }),
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        let length = 0;
        response.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          length += chunk.length;
          if (length > MAX_ANSWER_BYTES)
            response.destroy(new Error(`answers with more than ${MAX_ANSWER_BYTES} bytes`));
        });
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') });
        });
        response.on('error', (error) => reject(failed(error)));
      },
    );
    sent.on('error', (error) => reject(failed(error)));
    sent.end(body);
  });
}
