import { messageOf, unavailable } from '../base/errors.js';
import { VERSION } from '../base/version.js';
import { createIdentityService } from '../identity/identity.js';
import { watchConfig } from '../pools/config-file.js';
import type { Config } from '../pools/types.js';
import { createHooks } from '../rpc/hooks.js';
import { serveMetrics } from '../rpc/metrics.js';
import { serviceDefinition } from '../rpc/schema.js';
import { serve, type ServedService } from '../rpc/server.js';
import { implement } from '../rpc/service.js';
import { createBrickPart } from './brick-part.js';
import { createControllerPart } from './controller-part.js';
import type { Settings } from './flags.js';
import { createNodePart } from './node-part.js';
import type { Part } from './part.js';
import { createRuntime, type Runtime } from './runtime.js';

/** Calls in flight get this long to end after SIGTERM, in ms. */
const GRACE_MS = 25_000;

export type Role = 'all' | 'controller' | 'node';

/** Bricks of managed pools run in `kayal all`, on one machine with their controller and node. */
function elsewhere(pool: string): Promise<never> {
  return Promise.reject(unavailable(`pool ${pool} is managed: its bricks run with "kayal all" only`));
}

/** The parts of a role, in the order in which they start; they stop in the opposite one. */
function createParts(role: Role, runtime: Runtime): Part[] {
  if (role === 'controller') {
    return [
      createControllerPart(runtime, {
        managed: elsewhere,
        graphOf: () => undefined,
        isPublished: () => Promise.resolve(false),
      }),
    ];
  }
  if (role === 'node') return [createNodePart(runtime, { managed: elsewhere })];
  const bricks = createBrickPart(runtime);
  const node = createNodePart(runtime, { managed: bricks.managed });
  const controller = createControllerPart(runtime, {
    managed: bricks.managed,
    graphOf: bricks.graphOf,
    isPublished: node.isPublished,
  });
  bricks.keepWhile(node.publishedPools);
  return [bricks, node, controller];
}

function identityOf(role: Role, runtime: Runtime): ServedService {
  const name = 'csi.v1.Identity';
  return {
    definition: serviceDefinition(name),
    implementation: implement(
      createIdentityService({ controller: role !== 'node' }),
      createHooks(name, runtime.log, runtime.rpcMetrics),
    ),
  };
}

function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, resolve);
  });
}

/**
 * Runs a role until SIGTERM or SIGINT: calls in flight end first, what pods use stays mounted.
 * @throws ConfigError, or KayalError when the socket cannot be taken
 */
export async function runRole(role: Role, settings: Settings): Promise<void> {
  const runtime = await createRuntime(settings);
  const { log, registry } = runtime;
  log.info({ role, version: VERSION, node: settings.nodeId, pools: runtime.config.pools.length }, 'starting');
  const parts = createParts(role, runtime);
  const stopped = nextSignal();
  const server = await serve({
    endpoint: settings.endpoint,
    services: [identityOf(role, runtime), ...parts.flatMap(({ services }) => services)],
    socketGroup: settings.socketGroup,
  });
  const metrics =
    settings.metricsAddress === undefined ? undefined : await serveMetrics(settings.metricsAddress, registry);
  let applied: Promise<void> = Promise.resolve();
  const apply = (config: Config): void => {
    runtime.config = config;
    applied = applied.then(async () => {
      for (const part of [...parts].reverse()) await part.retire?.(config);
      for (const part of parts) await part.apply(config);
    });
    applied = applied.catch((error: unknown) => log.error({ error: messageOf(error) }, 'configuration not applied'));
  };
  apply(runtime.config);
  const watch = watchConfig(
    settings.config,
    (config) => {
      log.info({ pools: config.pools.map(({ name }) => name) }, 'configuration changed');
      apply(config);
    },
    (error) => log.error({ error: error.message }, 'the changed configuration is not valid, the former one stays'),
    { current: runtime.config },
  );
  log.info({ endpoint: server.path, metrics: metrics?.address }, 'serving');

  const signal = await stopped;
  log.info({ signal }, 'stopping');
  watch.close();
  await server.stop(GRACE_MS);
  await applied;
  for (const part of [...parts].reverse()) await part.stop();
  await metrics?.stop();
  await runtime.io.close();
  log.info({}, 'stopped');
}
