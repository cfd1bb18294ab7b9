import { messageOf } from '../base/errors.js';
import { formatBytes } from '../base/units.js';
import type { Tree } from '../linux/tree.js';
import { POOL_FILE, checkOwner, readPoolFile } from '../pools/pool-file.js';
import type { PoolConfig } from '../pools/types.js';
import { assertWhole } from '../pools/whole-pool.js';
import type { QuotaMechanism } from '../quota/mechanism.js';
import { describeRisk, overshootRisk } from '../quota/overshoot-risk.js';
import { bad, good, inspectPool, listDataPaths, type Finding } from '../volumes/health/inspect.js';
import { readPool } from '../volumes/service/read-pool.js';
import type { Outcome } from './config-check.js';
import { inspectTls } from './doctor-tls.js';
import { measureOvershoot } from './doctor-measure.js';
import type { Settings } from './flags.js';
import { asHolder } from './holder.js';
import { createMechanism } from './mechanism.js';
import { poolNamed, withToolPools, type ToolPools } from './tool-pools.js';

/** Beyond it a limit is not what its user was promised. */
const TOLERATED_PERCENT = 5;

export interface DoctorOptions {
  /** Every pool without it. */
  readonly pool?: string | undefined;
  /** Mends first what can be mended without losing data. */
  readonly repair: boolean;
}

/**
 * `kayal doctor`: looks at every pool (or one) and measures how exactly a writer is stopped; without `repair` it changes
 * nothing.
 */
export async function doctor(settings: Settings, { pool: only, repair }: DoctorOptions): Promise<Outcome> {
  return withToolPools(settings, async (tools) => {
    const { runtime } = tools;
    const pools =
      only === undefined ? runtime.config.pools.filter((pool) => !pool.staticOnly) : [poolNamed(runtime, only)];
    const lines: string[] = [];
    let healthy = true;
    for (const pool of pools) {
      if (repair) lines.push(...(await mend(tools, pool)));
      for (const { ok, text } of await examine(tools, pool)) {
        healthy &&= ok;
        lines.push(`${ok ? 'ok     ' : 'PROBLEM'} pool ${pool.name}: ${text}\n`);
      }
    }
    return { exitCode: healthy ? 0 : 1, text: lines.join('') };
  });
}

/** What was mended, or why nothing could be; a pool that is not well is told of by what is found afterwards. */
async function mend(tools: ToolPools, pool: PoolConfig): Promise<string[]> {
  try {
    const done = await asHolder(tools, pool, { kind: 'repair' });
    return done.map((text) => `repair  pool ${pool.name}: ${text}\n`);
  } catch (error) {
    return [`repair  pool ${pool.name}: could not be done: ${messageOf(error)}\n`];
  }
}

async function examine(tools: ToolPools, pool: PoolConfig): Promise<Finding[]> {
  try {
    return [...(await inspectTls(pool, Date.now())), ...(await examineReachable(tools, pool))];
  } catch (error) {
    return [bad(messageOf(error))];
  }
}

async function examineReachable(tools: ToolPools, pool: PoolConfig): Promise<Finding[]> {
  const { runtime, control } = tools;
  const { tree } = await control.attach(pool);
  await assertWhole(pool, tree);
  const file = await readPoolFile(tree);
  if (file === undefined) return [bad(`has no ${POOL_FILE}: start the controller, which prepares it`)];
  checkOwner(pool.name, file, runtime.config.installation);
  const mechanism = await createMechanism({
    config: pool,
    tree,
    recorded: file.mechanism,
    graph: file.mechanism,
    io: runtime.io,
  });
  try {
    return await examineWith(tools, pool, { tree, mechanism });
  } finally {
    await mechanism.close?.();
  }
}

async function examineWith(
  { runtime, client }: ToolPools,
  pool: PoolConfig,
  { tree, mechanism }: { readonly tree: Tree; readonly mechanism: QuotaMechanism },
): Promise<Finding[]> {
  const dataPaths = await listDataPaths(tree);
  const { catalog, snapshots } = await readPool({ tree, config: pool, mechanism, log: runtime.log });
  const findings = [
    good(`${catalog.volumeCount} volumes, ${formatBytes(catalog.promisedBytes)} promised, quota ${mechanism.name}`),
  ];
  const { overcommit } = pool;
  const inspected = { tree, mechanism, catalog, snapshots, dataPaths, overcommit, self: runtime.self, now: Date.now() };
  findings.push(...(await inspectPool(inspected)));
  if (mechanism.name === 'none') return [...findings, good('quota none: no limit is kept, as configured')];
  const attachment = await client.attach(pool);
  const { limitBytes, writtenBytes, stopped } = await measureOvershoot({
    control: tree,
    client: attachment.tree,
    mechanism,
  });
  const percent = ((writtenBytes - limitBytes) / limitBytes) * 100;
  const measured = `a writer was ${stopped ? 'stopped' : 'NOT stopped'} at ${formatBytes(BigInt(writtenBytes))} of ${formatBytes(BigInt(limitBytes))} (${percent.toFixed(1)} % over)`;
  const exact = stopped && percent <= TOLERATED_PERCENT;
  findings.push(exact ? good(measured) : bad(measured));
  if (pool.type === 'gluster' && mechanism.name === 'gluster') {
    const risk = await overshootRisk(pool);
    findings.push({ ok: risk.kind !== 'large' && exact, text: describeRisk(pool.volume, risk) });
  }
  return findings;
}
