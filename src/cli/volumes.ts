import { messageOf } from '../base/errors.js';
import { assertWhole } from '../pools/whole-pool.js';
import type { Outcome } from './config-check.js';
import type { Settings, VolumeFilter } from './flags.js';
import { poolNamed, withToolPools } from './tool-pools.js';
import { readIdleHandles, readWantedHandles } from './wanted-volumes.js';
import { filterRows, formatRows, readRows, type VolumeRow } from './volume-rows.js';

/**
 * `kayal volumes`: a pool that cannot be read is told of on standard error and by exit code 1; the others are listed.
 * @throws KayalError INVALID_ARGUMENT
 */
export async function showVolumes(
  settings: Settings,
  { filter, json }: { readonly filter: VolumeFilter; readonly json: boolean },
): Promise<Outcome> {
  const { kubeconfig } = filter;
  const orphansOf = filter.orphans ? await readWantedHandles(kubeconfig) : undefined;
  const idle =
    filter.unusedForMs === undefined || kubeconfig === undefined ? undefined : await readIdleHandles(kubeconfig);
  return withToolPools(settings, async ({ runtime, control }) => {
    const pools =
      filter.pool === undefined
        ? runtime.config.pools.filter(({ staticOnly }) => !staticOnly)
        : [poolNamed(runtime, filter.pool)];
    const rows: VolumeRow[] = [];
    let isComplete = true;
    for (const pool of pools) {
      try {
        const { tree } = await control.attach(pool);
        await assertWhole(pool, tree);
        rows.push(...(await readRows(tree, pool, runtime)));
      } catch (error) {
        isComplete = false;
        process.stderr.write(`kayal: pool ${pool.name} cannot be read: ${messageOf(error)}\n`);
      }
    }
    const now = Date.now();
    const shown = filterRows(rows, { ...filter, orphansOf, idle }, now);
    return {
      exitCode: isComplete ? 0 : 1,
      text: json ? `${JSON.stringify(shown, undefined, 1)}\n` : formatRows(shown, now),
    };
  });
}
