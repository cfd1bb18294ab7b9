import { hostname } from 'node:os';
import { randomUUID } from 'node:crypto';
import { failedPrecondition } from '../base/errors.js';
import { VERSION } from '../base/version.js';
import { ApiClient } from '../kube/api-client.js';
import { watchForChanges } from '../kube/api-watch.js';
import { ApiWriter } from '../kube/api-writer.js';
import { findApiServer } from '../kube/find-api-server.js';
import { Leader } from '../kube/leader.js';
import { resourcesIn } from '../operator/cluster-objects.js';
import { lookAtBrick } from '../operator/look-at-brick.js';
import { POOL_LABEL } from '../operator/names.js';
import { Operator } from '../operator/operator.js';
import { STORAGE_POOLS } from '../operator/storage-pool.js';
import { serveHttp } from '../rpc/http.js';
import { createLogger } from '../rpc/log.js';
import { createRegistry } from '../rpc/metrics.js';
import type { OperatorSettings } from './flags.js';
import { nextSignal } from './next-signal.js';

const LEASE = 'kayal-operator';

/**
 * Runs the operator until SIGTERM or SIGINT. What it made goes on without it.
 * @throws KayalError FAILED_PRECONDITION without a cluster, or when another operator took its place
 */
export async function runOperator(settings: OperatorSettings): Promise<void> {
  const { kubeconfig, logLevel, metricsAddress, namespace } = settings;
  const stopped = nextSignal();
  const log = await createLogger(logLevel);
  const registry = createRegistry();
  const server = await findApiServer(kubeconfig, process.env);
  const [client, writer] = [new ApiClient(server), new ApiWriter(server)];
  const ending = new AbortController();
  void stopped.then((signal) => {
    log.info({ signal }, 'stopping');
    ending.abort();
  });
  // Whoever waits for the lease is as ready as can be.
  const http =
    metricsAddress === undefined
      ? undefined
      : await serveHttp({ address: metricsAddress, registry, notReady: () => undefined });
  log.info({ role: 'operator', version: VERSION, namespace, cluster: server.source }, 'starting');
  const { leases, pods } = resourcesIn(namespace);
  const identity = `${hostname()}_${randomUUID()}`;
  const leader = new Leader({ client, writer, resource: leases, name: LEASE, identity, log, signal: ending.signal });
  try {
    await leader.lead(async (signal) => {
      const now = (): string => new Date().toISOString().replace(/\.\d+Z$/, 'Z');
      const operator = new Operator({ client, writer, settings, log, look: lookAtBrick, now, signal });
      const onChange = (): void => operator.poke();
      await Promise.all([
        operator.run(),
        watchForChanges({ server, resource: STORAGE_POOLS, onChange, signal }),
        watchForChanges({ server, resource: pods, labelSelector: POOL_LABEL, onChange, signal }),
      ]);
    });
  } finally {
    await http?.stop();
    client.close();
    writer.close();
  }
  if (!ending.signal.aborted) throw failedPrecondition('the lease is lost: another operator may lead now');
  log.info({}, 'stopped');
}
