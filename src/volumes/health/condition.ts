import { formatBytes } from '../../base/units.js';
import type { VolumeRecord } from '../records/record.js';

/** Usage from which a volume counts as nearly full when nothing else was asked for, in percent of its limit. */
export const DEFAULT_SOFT_LIMIT_PERCENT = 95;

/** What is known of a volume, whoever asks; absent: not known, which is no fault. */
export interface VolumeFacts {
  readonly pool: string;
  readonly record?: Pick<VolumeRecord, 'limitBytes' | 'softLimitPercent'> | undefined;
  /** Bytes. */
  readonly used?: bigint | undefined;
  /** Why it cannot be used, or is not what it should be: a damaged record, a pool that does not answer. */
  readonly problem?: string | undefined;
  /** Files and directories of the whole pool that wait to be healed. */
  readonly pendingHeals?: number | undefined;
}

export interface Condition {
  readonly abnormal: boolean;
  /** For people: everything that is wrong, the worst first. */
  readonly message: string;
}

function usageProblem({ record, used }: VolumeFacts): string | undefined {
  if (record === undefined || used === undefined || record.limitBytes === 0n) return undefined;
  const softLimit = record.softLimitPercent ?? DEFAULT_SOFT_LIMIT_PERCENT;
  if (used * 100n < record.limitBytes * BigInt(softLimit)) return undefined;
  return (
    `${(used * 100n) / record.limitBytes} % of ${formatBytes(record.limitBytes)} are used ` +
    `(softLimitPercent ${softLimit}): expand the volume or delete data`
  );
}

function healProblem({ pool, pendingHeals = 0 }: VolumeFacts): string | undefined {
  if (pendingHeals === 0) return undefined;
  return `pool ${pool} has ${pendingHeals} ${pendingHeals === 1 ? 'entry' : 'entries'} to heal: until then not every brick has all data`;
}

/** The one place that says whether a volume is well: for ListVolumes, ControllerGetVolume and NodeGetVolumeStats. */
export function conditionOf(facts: VolumeFacts): Condition {
  const problems = [facts.problem, healProblem(facts), usageProblem(facts)].filter((text) => text !== undefined);
  return problems.length > 0
    ? { abnormal: true, message: problems.join('; ') }
    : { abnormal: false, message: 'the volume is well' };
}
