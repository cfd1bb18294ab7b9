import { createServer, type ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';
import { failedPrecondition, messageOf } from '../base/errors.js';

export interface HttpOptions {
  /** HOST:PORT, or :PORT for every address of the machine. */
  readonly address: string;
  readonly registry: Registry;
  /** Why the process cannot do its work yet; undefined when it can. Must not touch storage. */
  readonly notReady: () => string | undefined;
}

export interface HttpServer {
  /** host:port that it really listens on (port 0 asks the kernel for one). */
  readonly address: string;
  stop(): Promise<void>;
}

function splitAddress(address: string): { host: string; port: number } {
  const match = /^(.*):(\d{1,5})$/.exec(address);
  const host = match?.[1]?.replaceAll(/^\[|\]$/g, '');
  const port = Number(match?.[2]);
  if (host === undefined || port > 65_535) {
    throw failedPrecondition(`metrics address ${JSON.stringify(address)}: must be HOST:PORT or :PORT`);
  }
  return { host: host === '' ? '::' : host, port };
}

/**
 * What a path is answered with. `/healthz` is liveness: it says that the event loop turns, and nothing of pools, as a
 * storage outage must never get the driver restarted.
 */
function routes({ registry, notReady }: HttpOptions): Readonly<Record<string, (response: ServerResponse) => void>> {
  return {
    '/healthz': (response) => response.writeHead(200).end('ok\n'),
    '/readyz': (response) => {
      const reason = notReady();
      response.writeHead(reason === undefined ? 200 : 503).end(`${reason ?? 'ok'}\n`);
    },
    '/metrics': (response) => {
      registry.metrics().then(
        (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
        (error: unknown) => response.writeHead(500).end(`${messageOf(error)}\n`),
      );
    },
  };
}

/** Serves `/metrics` (Prometheus' text format), `/healthz` and `/readyz` over plain HTTP. */
export async function serveHttp(options: HttpOptions): Promise<HttpServer> {
  const { host, port } = splitAddress(options.address);
  const table = new Map(Object.entries(routes(options)));
  const server = createServer((request, response) => {
    const answer = request.method === 'GET' ? table.get(request.url ?? '') : undefined;
    if (answer === undefined) response.writeHead(404).end(`GET ${[...table.keys()].join(', ')}\n`);
    else answer(response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(failedPrecondition(`metrics address ${options.address}: ${error.message}`)));
    server.listen(port, host, resolve);
  });
  const bound = server.address();
  return {
    address: typeof bound === 'object' && bound !== null ? `${bound.address}:${bound.port}` : options.address,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
