import { formatBytes } from '../../base/units.js';
import type { QuotaMechanism } from '../../quota/mechanism.js';
import type { VolumeRecord } from '../records/record.js';

/** A filesystem rounds limits up to its blocks, at most 64 KiB. */
const ROUNDING = 65_536n;

/** How the limit that is in force differs from the one on record; undefined when it does not, or none is kept at all. */
export async function limitProblem(mechanism: QuotaMechanism, record: VolumeRecord): Promise<string | undefined> {
  if (mechanism.name === 'none' || record.state === 'creating' || record.state === 'deleting') return undefined;
  const inForce = await mechanism.get({ path: record.path, projectId: record.quota.projectId });
  const { limitBytes } = record;
  if (inForce === undefined) return `its limit of ${formatBytes(limitBytes)} is not in force, there is none`;
  if (inForce >= limitBytes && inForce < limitBytes + ROUNDING) return undefined;
  return `its limit is ${formatBytes(inForce)}, on record are ${formatBytes(limitBytes)}`;
}
