import { invalidArgument } from '../base/errors.js';
import { formatBytes } from '../base/units.js';
import { parseHandle } from '../volumes/records/handle.js';
import { checkKept } from '../volumes/service/purge-kept.js';
import { readRecord, type VolumeRecord } from '../volumes/records/record.js';
import type { Outcome } from './config-check.js';
import type { Settings } from './flags.js';
import { asHolder } from './holder.js';
import { poolNamed, withToolPools } from './tool-pools.js';

/** `kayal volume purge POOL/ID`: removes the data of a volume that was deleted and kept. */
export async function purgeVolume(
  settings: Settings,
  { handle, yes }: { readonly handle: string; readonly yes: boolean },
): Promise<Outcome> {
  const parsed = parseHandle(handle);
  if (parsed === undefined) throw invalidArgument(`${handle} is not POOL/ID: take what "kayal volumes" shows`);
  return withToolPools(settings, async (tools) => {
    const pool = poolNamed(tools.runtime, parsed.pool);
    const { tree } = await tools.control.attach(pool);
    const record = checkKept(handle, await readRecord(tree, parsed.id));
    if (!yes) {
      const text =
        `volume ${handle} (${record.state} since ${record.deletedAt ?? record.createdAt}, ` +
        `${formatBytes(record.limitBytes)}${ownerOf(record)}) and its ` +
        `data at ${record.path} would be removed for good; say --yes to do it\n`;
      return { exitCode: 1, text };
    }
    const done = await asHolder(tools, pool, { kind: 'purge', id: parsed.id });
    return { exitCode: 0, text: `${done.join('\n')}\n` };
  });
}

function ownerOf({ claim, ephemeral }: VolumeRecord): string {
  if (ephemeral !== undefined) {
    const { node, namespace, pod, podUid } = ephemeral;
    return `, of pod ${pod === undefined ? podUid : `${namespace}/${pod}`} on node ${node}`;
  }
  return claim.name === undefined ? '' : `, once of claim ${claim.namespace}/${claim.name}`;
}
