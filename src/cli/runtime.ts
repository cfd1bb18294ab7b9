import { join } from 'node:path';
import type { Registry } from 'prom-client';
import type { Logger } from '../base/logger.js';
import { machine } from '../linux/machine.js';
import { IoWorkers } from '../linux/io-workers.js';
import { ownIdentity, type ProcessIdentity } from '../linux/process-info.js';
import { loadConfig } from '../pools/config-file.js';
import type { Config } from '../pools/types.js';
import { createLogger } from '../rpc/log.js';
import { createRegistry, createRpcMetrics, type RpcMetrics } from '../rpc/metrics.js';
import type { Settings } from './flags.js';

/** What every role of this process shares. */
export interface Runtime {
  readonly settings: Settings;
  readonly log: Logger;
  readonly registry: Registry;
  readonly rpcMetrics: RpcMetrics;
  readonly io: IoWorkers;
  readonly self: ProcessIdentity;
  /** The configuration as it is now. */
  config: Config;
}

/** @throws ConfigError */
export async function createRuntime(settings: Settings, logTo?: 'stdout' | 'stderr'): Promise<Runtime> {
  const config = await loadConfig(settings.config, settings.poolsDir);
  const log = await createLogger(settings.logLevel, logTo);
  const registry = createRegistry();
  await machine.mkdir(settings.stateDir, { recursive: true, mode: 0o700 });
  return {
    settings,
    log,
    registry,
    rpcMetrics: createRpcMetrics(registry),
    io: new IoWorkers({ log }),
    self: await ownIdentity(),
    config,
  };
}

/** A place below the state directory. */
export function statePath(runtime: Runtime, ...names: readonly string[]): string {
  return join(runtime.settings.stateDir, ...names);
}
