import { noteFault } from '../../faults/fault-table.js';
import type { LoadRun, Strike } from './load-run.js';

export interface LoadFigures {
  readonly clients: number;
  readonly strikes: readonly Strike[];
  /** How long the volumes lived, kills included. */
  readonly seconds: number;
  /** What was there when it ended. */
  readonly kept: string;
}

function describeStrikes(strikes: readonly Strike[]): string {
  const kinds = strikes.map(({ victim, alsoWhileAway }) =>
    alsoWhileAway === undefined ? victim : `${victim} and ${alsoWhileAway}`,
  );
  return [...new Set(kinds)].map((kind) => `${kind} ×${kinds.filter((other) => other === kind).length}`).join(', ');
}

/** Prints what a run that went well came to, and notes it for the table of faults. */
export async function reportLoad(run: LoadRun, { clients, strikes, seconds, kept }: LoadFigures): Promise<void> {
  const { told, podErrors, answers, volumes } = run;
  const totals = answers.totals();
  const calls = [...totals.values()].reduce((sum, count) => sum + count, 0);
  const again = calls - (totals.get('OK') ?? 0);
  const errors = [...podErrors.counts].map(([code, count]) => `${count} ${code}`).join(', ') || 'none';
  const lived = `${volumes} volumes by ${clients} clients`;
  const killed = describeStrikes(strikes);
  const rates = `${(volumes / seconds).toFixed(1)} volumes/s, ${(calls / seconds).toFixed(0)} calls/s`;
  console.log(
    [
      `${lived} in ${seconds.toFixed(0)} s (${rates})`,
      `killed: ${killed}`,
      `${kept} were kept to the end; deleted in all: ${told.deletedVolumes.length} volumes, ${told.deletedSnapshots.length} snapshots`,
      `errors that pods saw and got over: ${errors}`,
      answers.describe(),
    ].join('\n'),
  );
  await noteFault({
    fault: `${lived}; killed: ${killed}`,
    times: strikes.length,
    seen: `${again} of ${calls} answers said "again", none INTERNAL; errors of pods: ${errors}`,
    held: 'nothing lost or leaked, limits and promises right, three copies identical',
  });
}
