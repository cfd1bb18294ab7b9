import { createServer, type Server } from 'node:http';
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import { failedPrecondition, messageOf } from '../base/errors.js';

/** Counts and times of RPCs, by method and status. */
export interface RpcMetrics {
  started(method: string): void;
  ended(method: string, code: string, durationMs: number): void;
}

export function createRpcMetrics(registry: Registry): RpcMetrics {
  const duration = new Histogram({
    name: 'kayal_rpc_duration_seconds',
    help: 'Time from a CSI call to its answer.',
    labelNames: ['method', 'code'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers: [registry],
  });
  const calls = new Counter({
    name: 'kayal_rpc_calls_total',
    help: 'CSI calls answered, by method and gRPC status.',
    labelNames: ['method', 'code'],
    registers: [registry],
  });
  const inFlight = new Gauge({
    name: 'kayal_rpc_in_flight',
    help: 'CSI calls being worked on.',
    labelNames: ['method'],
    registers: [registry],
  });
  return {
    started: (method) => inFlight.inc({ method }),
    ended: (method, code, durationMs) => {
      inFlight.dec({ method });
      calls.inc({ method, code });
      duration.observe({ method, code }, durationMs / 1000);
    },
  };
}

/** A registry with the process' own figures (memory, event loop lag, …). */
export function createRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'kayal_' });
  return registry;
}

export interface MetricsServer {
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

/** Serves `/metrics` in Prometheus' text format over plain HTTP. */
export async function serveMetrics(address: string, registry: Registry): Promise<MetricsServer> {
  const { host, port } = splitAddress(address);
  const server: Server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') {
      response.writeHead(404).end('GET /metrics\n');
      return;
    }
    registry.metrics().then(
      (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
      (error: unknown) => response.writeHead(500).end(`${messageOf(error)}\n`),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(failedPrecondition(`metrics address ${address}: ${error.message}`)));
    server.listen(port, host, resolve);
  });
  const bound = server.address();
  return {
    address: typeof bound === 'object' && bound !== null ? `${bound.address}:${bound.port}` : address,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
