import * as v from 'valibot';
import type { Tree } from '../linux/tree.js';

export const COPY_RECORD = 'copy.json';
const MAX_BYTES = 256 * 1024;

const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const schema = v.looseObject({
  format: v.literal(1),
  handle: v.string(),
  of: v.string(),
  pool: v.string(),
  id: v.string(),
  path: v.string(),
  syncIntervalMs: v.pipe(whole, v.minValue(1_000)),
  onNodeLoss: v.picklist(['wait', 'takeover']),
  limitBytes: v.pipe(v.string(), v.regex(/^\d{1,19}$/)),
  turn: whole,
  state: v.optional(
    v.object({
      id: v.string(),
      n: whole,
      reaches: v.string(),
      steps: v.array(v.object({ n: whole, bytes: whole })),
    }),
  ),
  clean: v.boolean(),
});

/** The state of the pool that a copy on this node equals, or has grown from. */
export interface SyncedState {
  readonly id: string;
  readonly n: number;
  /** ISO 8601, UTC. */
  readonly reaches: string;
  /** What it consists of, it itself last. */
  readonly steps: readonly { readonly n: number; readonly bytes: number }[];
}

/** What is known of a copy on this node; it is written when the copy is complete. */
export interface CopyRecord {
  readonly format: 1;
  readonly handle: string;
  /** Tells the volume from a former one of the same name. */
  readonly of: string;
  readonly pool: string;
  /** Of the volume. */
  readonly id: string;
  /** Of the volume, in its pool. */
  readonly path: string;
  readonly syncIntervalMs: number;
  readonly onNodeLoss: 'wait' | 'takeover';
  /** Decimal. */
  readonly limitBytes: string;
  /** The turn in which it was last written to. */
  readonly turn: number;
  /** Absent: nothing is in the pool yet. */
  readonly state?: SyncedState | undefined;
  /** Nothing was written to it since. */
  readonly clean: boolean;
}

/** Undefined: there is no complete copy. @throws SystemError, KayalError */
export async function readCopyRecord(local: Tree, place: string): Promise<CopyRecord | undefined> {
  const data = await local.readFile(`${place}/${COPY_RECORD}`, MAX_BYTES);
  return data === undefined ? undefined : parseCopyRecord(data.toString('utf8'));
}

/** Undefined when the text is none. */
export function parseCopyRecord(text: string): CopyRecord | undefined {
  try {
    const parsed = v.safeParse(schema, JSON.parse(text));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}

export async function writeCopyRecord(local: Tree, place: string, record: CopyRecord): Promise<void> {
  await local.replaceFile(
    `${place}/${COPY_RECORD}.new`,
    `${place}/${COPY_RECORD}`,
    Buffer.from(`${JSON.stringify(record)}\n`),
  );
}

export async function removeCopyRecord(local: Tree, place: string): Promise<void> {
  await local.unlink(`${place}/${COPY_RECORD}`);
}
