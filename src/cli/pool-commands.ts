import { join } from 'node:path';
import { KnownPools } from '../volumes/pool/known-pools.js';
import { takeOver } from '../volumes/pool/takeover.js';
import type { Outcome } from './config-check.js';
import type { Settings } from './flags.js';
import { loadConfig } from '../pools/config-file.js';
import { poolNamed, withToolPools } from './tool-pools.js';

/** `kayal pool takeover POOL`: makes the pool belong to the installation of the config file. */
export async function takeOverPool(settings: Settings, name: string): Promise<Outcome> {
  return withToolPools(settings, async ({ runtime, control }) => {
    const pool = poolNamed(runtime, name);
    const { tree } = await control.attach(pool);
    const abort = new AbortController();
    process.once('SIGINT', () => abort.abort());
    const { installation } = runtime.config;
    const before = await takeOver({
      pool: name,
      tree,
      installation,
      node: settings.nodeId,
      self: runtime.self,
      log: runtime.log,
      signal: abort.signal,
      onWaiting: (holder) => process.stderr.write(`kayal: waiting for the controller on ${holder}\n`),
    });
    const text =
      before === installation
        ? `pool ${name} belongs to installation ${installation} already\n`
        : `pool ${name} belonged to installation ${before}, now it belongs to ${installation}\n`;
    return { exitCode: 0, text };
  });
}

/** `kayal pool forget POOL`: this controller's memory of which pool was there, so that another one may take its place. */
export async function forgetPool(settings: Settings, name: string): Promise<Outcome> {
  await loadConfig(settings.config, settings.poolsDir);
  await new KnownPools(join(settings.stateDir, 'pools')).forget(name);
  return { exitCode: 0, text: `what was known of pool ${name} is forgotten; the next start takes what is there\n` };
}
