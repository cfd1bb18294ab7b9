import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

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
