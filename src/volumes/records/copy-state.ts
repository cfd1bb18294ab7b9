import * as v from 'valibot';

/** Progress of a copy, in the record of a volume or a snapshot. */
export interface CopyState {
  readonly entries: number;
  /** Decimal. */
  readonly bytes: string;
}

export const copyStateSchema = v.object({ entries: v.number(), bytes: v.string() });
