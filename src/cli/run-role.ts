import { dirname, join } from 'node:path';
import { failedPrecondition, isErrno, messageOf } from '../base/errors.js';
import { DRIVER_NAME, VERSION } from '../base/version.js';
import { remoteQuota, remoteVolfilesOf } from '../gluster/remote-pool.js';
import { createIdentityService } from '../identity/identity.js';
import { machine } from '../linux/machine.js';
import { registerWithKubelet } from '../node/registration.js';
import { watchConfig } from '../pools/config-file.js';
import type { PoolVolfiles } from '../pools/gluster-attachment.js';
import type { Config } from '../pools/types.js';
import type { MechanismName } from '../quota/mechanism.js';
import { createHooks } from '../rpc/hooks.js';
import { serveHttp } from '../rpc/http.js';
import { serviceDefinition } from '../rpc/schema.js';
import { serve, socketPath, type ServedService } from '../rpc/server.js';
import { implement } from '../rpc/service.js';
import { createBrickPart } from './brick-part.js';
import { createControllerPart } from './controller-part.js';
import { defaultEndpoint } from './flag-table.js';
import type { Settings } from './flags.js';
import { nextSignal } from './next-signal.js';
import { createNodeLookup } from './node-lookup.js';
import { createNodePart } from './node-part.js';
import type { Part } from './part.js';
import { createRuntime, statePath, type Runtime } from './runtime.js';

/** Calls in flight get this long to end after SIGTERM, in ms. */
const GRACE_MS = 25_000;

export type Role = 'all' | 'controller' | 'node';

/** Bricks of managed pools run in `kayal all`, on one machine with their controller and node, unless they are remote. */
function elsewhere(pool: string): Promise<never> {
  return Promise.reject(
    failedPrecondition(
      `pool ${pool} is managed: its bricks are reached only on the machine where "kayal all" runs them; let the pod run ` +
        'there, or use a pool that all nodes reach',
    ),
  );
}

type Volfiles = (pool: string) => Promise<PoolVolfiles>;

/** Volfiles of pools with remote bricks are written below `directory`; `local` has the others. */
function volfilesIn(runtime: Runtime, directory: string, local: Volfiles): Volfiles {
  return async (pool) => (await remoteVolfilesOf(runtime.config.pools, pool, directory)) ?? local(pool);
}

/** What remote bricks are made for goes without saying. */
function remoteGraphOf(runtime: Runtime, name: string): MechanismName | undefined {
  const pool = runtime.config.pools.find((one) => one.name === name);
  return pool?.type === 'managed' && pool.remote !== undefined ? remoteQuota(pool) : undefined;
}

/** Of the node role: with kubelet's own directories, which the mounter sees, too. */
function nodeVolfiles({ settings }: Runtime): string {
  return join(settings.kubeletDir, 'plugins', DRIVER_NAME, 'volfiles');
}

/** What only the bricks can say. */
function unknown(): Promise<undefined> {
  return Promise.resolve(undefined);
}

/** The parts of a role, in the order in which they start; they stop in the opposite one. */
function createParts(role: Role, runtime: Runtime): Part[] {
  const ofController = (local: Volfiles): Volfiles => volfilesIn(runtime, statePath(runtime, 'managed'), local);
  const ofNode = (local: Volfiles): Volfiles => volfilesIn(runtime, nodeVolfiles(runtime), local);
  if (role === 'controller') {
    return [
      createControllerPart(runtime, {
        managed: ofController(elsewhere),
        bricksOf: elsewhere,
        graphOf: (pool) => remoteGraphOf(runtime, pool),
        isPublished: () => Promise.resolve(false),
        hasNode: createNodeLookup(process.env),
        pendingHeals: unknown,
      }),
    ];
  }
  if (role === 'node') return [createNodePart(runtime, { managed: ofNode(elsewhere), pendingHeals: unknown })];
  const bricks = createBrickPart(runtime);
  const node = createNodePart(runtime, { managed: ofNode(bricks.managed), pendingHeals: bricks.pendingHeals });
  const controller = createControllerPart(runtime, {
    managed: ofController(bricks.managed),
    bricksOf: async (pool) => (await bricks.managed(pool)).brickPlaces(),
    graphOf: (pool) => remoteGraphOf(runtime, pool) ?? bricks.graphOf(pool),
    isPublished: node.isPublished,
    hasNode: (name) => Promise.resolve(name === runtime.settings.nodeId),
    pendingHeals: bricks.pendingHeals,
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

/** The socket's directory below kubelet's, which nobody else makes; any other is the caller's to make. */
async function makeDefaultDirectory({ endpoint, kubeletDir }: Settings): Promise<void> {
  if (endpoint !== defaultEndpoint(kubeletDir)) return;
  try {
    await machine.mkdir(dirname(socketPath(endpoint)), { mode: 0o750 });
  } catch (error) {
    // Without kubelet's `plugins` there is no kubelet: serve() says what is missing.
    if (!isErrno(error, 'EEXIST', 'ENOENT')) throw error;
  }
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
  for (const part of parts) part.announce?.(runtime.config);
  const stopped = nextSignal();
  await makeDefaultDirectory(settings);
  let notReady: () => string | undefined = () => 'starting';
  const http =
    settings.metricsAddress === undefined
      ? undefined
      : await serveHttp({ address: settings.metricsAddress, registry, notReady: () => notReady() });
  const server = await serve({
    endpoint: settings.endpoint,
    services: [identityOf(role, runtime), ...parts.flatMap(({ services }) => services)],
    socketGroup: settings.socketGroup,
  }).catch(async (error: unknown) => {
    // It would keep the process from ending.
    await http?.stop();
    throw error;
  });
  const registration =
    (settings.register ?? role === 'node')
      ? registerWithKubelet({ kubeletDir: settings.kubeletDir, socket: server.path, log, metrics: runtime.rpcMetrics })
      : undefined;
  notReady = () =>
    registration?.missing() ?? parts.map((part) => part.notReady?.()).find((reason) => reason !== undefined);
  let applied: Promise<void> = Promise.resolve();
  const apply = (config: Config): void => {
    runtime.config = config;
    for (const part of parts) part.announce?.(config);
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
    { current: runtime.config, poolsDirectory: settings.poolsDir },
  );
  log.info({ endpoint: server.path, metrics: http?.address }, 'serving');

  const signal = await stopped;
  log.info({ signal }, 'stopping');
  watch.close();
  await registration?.stop();
  await server.stop(GRACE_MS);
  await applied;
  for (const part of [...parts].reverse()) await part.stop();
  await http?.stop();
  await runtime.io.close();
  log.info({}, 'stopped');
}
