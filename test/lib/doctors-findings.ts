import type { IoWorkers } from '../../src/linux/io-workers.js';
import { ownIdentity } from '../../src/linux/process-info.js';
import { quiet } from '../../src/linux/testing.js';
import { Tree } from '../../src/linux/tree.js';
import { loadConfig } from '../../src/pools/config-file.js';
import { readPoolFile } from '../../src/pools/pool-file.js';
import { GlusterMechanism } from '../../src/quota/gluster.js';
import type { QuotaMechanism } from '../../src/quota/mechanism.js';
import { noLimits } from '../../src/quota/none.js';
import { inspectPool, listDataPaths } from '../../src/volumes/health/inspect.js';
import { readPool } from '../../src/volumes/service/read-pool.js';
import { driverPaths } from './driver.js';

export interface DoctorLook {
  readonly io: IoWorkers;
  /** Of the driver. */
  readonly directory: string;
  readonly pool: string;
  /** Where the pool's tree is: for GlusterFS the control mount. */
  readonly root: string;
}

/** What `kayal doctor` would say is wrong with a pool of one group, without its measurement. */
export async function doctorsFindings({ io, directory, pool, root }: DoctorLook): Promise<string[]> {
  const config = (await loadConfig(driverPaths(directory).config)).pools.find(({ name }) => name === pool);
  if (config === undefined) return [`pool ${pool} is not in the configuration`];
  const tree = await Tree.open(io, pool, root);
  try {
    const recorded = (await readPoolFile(tree))?.mechanism;
    const mechanism: QuotaMechanism =
      recorded === 'gluster' ? new GlusterMechanism({ tree, volume: undefined, profile: 'exact' }) : noLimits;
    const dataPaths = await listDataPaths(tree);
    const { catalog, snapshots } = await readPool({ tree, config, mechanism, log: quiet });
    const { overcommit } = config;
    const self = await ownIdentity();
    const inspected = { tree, mechanism, catalog, snapshots, dataPaths, overcommit, self, now: Date.now() };
    const findings = await inspectPool(inspected);
    return findings.flatMap(({ ok, text }) => (ok ? [] : [`pool ${pool}: ${text}`]));
  } finally {
    await tree.close();
  }
}
