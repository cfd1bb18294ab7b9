import { text } from 'node:stream/consumers';
import { invalidArgument, messageOf } from '../base/errors.js';
import type { Outcome } from './config-check.js';
import type { Settings, VolumeFilter } from './flags.js';
import { poolNamed, withToolPools } from './tool-pools.js';
import { filterRows, formatRows, readRows, type VolumeRow } from './volume-rows.js';

/** The handles on standard input, one a line. @throws KayalError INVALID_ARGUMENT when there is none */
async function readHandles(): Promise<ReadonlySet<string>> {
  const command = `kubectl get pv -o jsonpath='{range .items[*]}{.spec.csi.volumeHandle}{"\\n"}{end}' | kayal volumes --orphans`;
  if (process.stdin.isTTY)
    throw invalidArgument(`--orphans reads the handles of all volumes that are wanted: ${command}`);
  const handles = (await text(process.stdin)).split(/\s+/).filter((handle) => handle !== '');
  // Every volume is an orphan of an empty list, which is what a kubectl that failed prints.
  if (handles.length === 0) throw invalidArgument(`standard input has no handles: ${command}`);
  return new Set(handles);
}

/**
 * `kayal volumes`: a pool that cannot be read is told of on standard error and by exit code 1; the others are listed.
 * @throws KayalError INVALID_ARGUMENT
 */
export async function showVolumes(
  settings: Settings,
  { filter, json }: { readonly filter: VolumeFilter; readonly json: boolean },
): Promise<Outcome> {
  const orphansOf = filter.orphans ? await readHandles() : undefined;
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
        rows.push(...(await readRows(tree, pool, runtime)));
      } catch (error) {
        isComplete = false;
        process.stderr.write(`kayal: pool ${pool.name} cannot be read: ${messageOf(error)}\n`);
      }
    }
    const now = Date.now();
    const shown = filterRows(rows, { ...filter, orphansOf }, now);
    return {
      exitCode: isComplete ? 0 : 1,
      text: json ? `${JSON.stringify(shown, undefined, 1)}\n` : formatRows(shown, now),
    };
  });
}
