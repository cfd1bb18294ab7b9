import { setTimeout as sleep } from 'node:timers/promises';
import { ControlledPools } from '../controller/controlled-pools.js';
import type { PoolConfig } from '../pools/types.js';
import type { Catalog } from '../volumes/records/catalog.js';
import { askHolder, performTask, type HolderTask } from '../volumes/service/holder-task.js';
import { KnownPools } from '../volumes/pool/known-pools.js';
import { lookAtLease } from '../volumes/pool/lease.js';
import { unavailable } from '../base/errors.js';
import { createMechanism } from './mechanism.js';
import { statePath } from './runtime.js';
import type { ToolPools } from './tool-pools.js';

/** The controller looks for tasks every second; a repair of many volumes takes its time. */
const ANSWER_MS = 10 * 60 * 1000;
const LOOK_EVERY_MS = 200;
/** A trash that has not shrunk for so long is left to the next controller. */
const PATIENCE_MS = 60_000;

/**
 * Has a task done by the one who may change the pool: by the controller when one holds the lease, else right here, as
 * the controller that this command then is for a moment.
 * @returns what was done, a line each
 * @throws KayalError what the task says, UNAVAILABLE when nobody can do it
 */
export async function asHolder(tools: ToolPools, pool: PoolConfig, task: HolderTask): Promise<string[]> {
  const { runtime, control } = tools;
  const { tree } = await control.attach(pool);
  const { holder } = await lookAtLease(tree, runtime.self);
  if (holder !== undefined) return askHolder({ tree, pool: pool.name, task, timeoutMs: ANSWER_MS });

  const { io, log, self, settings, config } = runtime;
  const pools = new ControlledPools({
    node: settings.nodeId,
    self,
    known: new KnownPools(statePath(runtime, 'pools')),
    mounts: control,
    io,
    log,
    // The bricks are the business of the process that runs them: they are what the pool was made for.
    mechanismFor: (poolConfig, poolTree, recorded) =>
      createMechanism({ config: poolConfig, tree: poolTree, recorded, graph: recorded, io }),
  });
  await pools.retire({ installation: config.installation, pools: [pool] });
  pools.apply({ installation: config.installation, pools: [pool] });
  try {
    const session = await pools.all().get(pool.name)?.session();
    if (session === undefined) throw unavailable(`pool ${pool.name} cannot be opened`);
    const done = await performTask(session, task, ANSWER_MS);
    return [...done, ...(await emptied(session.catalog))];
  } finally {
    await pools.close();
  }
}

/** Waits for the trash, which nobody else would empty. @returns what is left of it, for people */
async function emptied(catalog: Catalog): Promise<string[]> {
  let left = catalog.trashCount;
  for (let since = performance.now(); left > 0 && performance.now() - since < PATIENCE_MS;) {
    await sleep(LOOK_EVERY_MS);
    if (catalog.trashCount >= left) continue;
    left = catalog.trashCount;
    since = performance.now();
  }
  return left === 0 ? [] : [`${left} entries are still in the trash: the next controller goes on with them`];
}
