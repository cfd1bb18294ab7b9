import { VERSION } from '../base/version.js';
import { BrickKeeper } from '../brick/brick-keeper.js';
import { registerBrickMetrics } from '../brick/brick-metrics.js';
import { IoWorkers } from '../linux/io-workers.js';
import { machine } from '../linux/machine.js';
import { serveHttp } from '../rpc/http.js';
import { createLogger } from '../rpc/log.js';
import { createRegistry } from '../rpc/metrics.js';
import type { BrickSettings } from './flags.js';
import { nextSignal } from './next-signal.js';

/** Runs one brick until SIGTERM or SIGINT; it ends with us. @throws KayalError when the metrics address cannot be taken */
export async function runBrick(settings: BrickSettings): Promise<void> {
  const { brick: index, device, logLevel, metricsAddress, poolFile, stateDir } = settings;
  const stopped = nextSignal();
  const log = await createLogger(logLevel);
  const registry = createRegistry();
  await machine.mkdir(stateDir, { recursive: true, mode: 0o700 });
  log.info({ role: 'brick', version: VERSION, brick: index }, 'starting');
  const io = new IoWorkers({ log });
  const keeper = new BrickKeeper({ poolFile, index, device, stateDir, io, log });
  registerBrickMetrics(registry, index, keeper);
  try {
    const http =
      metricsAddress === undefined
        ? undefined
        : await serveHttp({ address: metricsAddress, registry, notReady: () => keeper.problem() });
    const signal = await stopped;
    log.info({ signal }, 'stopping');
    await http?.stop();
  } finally {
    await keeper.stop();
    await io.close();
  }
  log.info({}, 'stopped');
}
