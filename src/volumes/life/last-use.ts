/*
 * When a volume was last in use. A node notes it in the background, at most once in some hours for each volume: when it
 * publishes the volume, and while kubelet asks for its stats, which it does for as long as a pod has it mounted. So a
 * note is as exact as that, costs no call any time, and a pool that is full loses no more than the note.
 */
import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { Limiter } from '../../base/limiter.js';
import type { Tree } from '../../linux/tree.js';
import { bucketOf } from '../records/handle.js';
import { USES_DIRECTORY } from '../records/layout.js';
import { change, type Session } from '../pool/session.js';

const MAX_NOTE_BYTES = 4096;
const PARALLEL = 6;

const schema = v.object({ usedAt: v.string(), node: v.string() });

/** ISO 8601, UTC. */
export type LastUse = v.InferOutput<typeof schema>;

function notePath(id: string): string {
  return `${USES_DIRECTORY}/${bucketOf(id)}/${id}.json`;
}

/** Notes that the volume is in use on `node` now. One at a time for a node: what a kill -9 leaves is written over. */
export async function noteUse(tree: Tree, id: string, node: string): Promise<void> {
  const writer = createHash('sha256').update(node).digest('hex').slice(0, 16);
  const temporary = `${USES_DIRECTORY}/.${writer}`;
  const directory = `${USES_DIRECTORY}/${bucketOf(id)}`;
  const note: LastUse = { usedAt: new Date().toISOString(), node };
  await tree.mkdirs(directory, 0o700);
  await tree.replaceHint(temporary, notePath(id), Buffer.from(`${JSON.stringify(note)}\n`));
}

/** Forgets a volume that is about to be gone; a node that notes it late leaves a note without a volume, which is harmless. */
export async function forgetUse(session: Session, id: string): Promise<void> {
  await change(session, () => session.tree.unlink(notePath(id)));
}

/** For the node that noted it: its note may have come after the volume was gone. */
export async function dropUse(tree: Tree, id: string): Promise<void> {
  await tree.unlink(notePath(id));
}

/** The note of one volume. */
export async function readUse(tree: Tree, id: string): Promise<LastUse | undefined> {
  const data = await tree.readFile(notePath(id), MAX_NOTE_BYTES);
  return data && parseNote(data.toString('utf8'));
}

/** All notes of a pool, by volume id. */
export async function readUses(tree: Tree): Promise<Map<string, LastUse>> {
  const uses = new Map<string, LastUse>();
  const limiter = new Limiter(PARALLEL);
  const buckets = (await tree.list(USES_DIRECTORY)) ?? [];
  await Promise.all(
    buckets
      .filter(({ type }) => type === 'directory')
      .map(({ name: bucket }) =>
        limiter.run(async () => {
          for (const { name, data } of await tree.readFiles(`${USES_DIRECTORY}/${bucket}`, MAX_NOTE_BYTES)) {
            if (!name.endsWith('.json') || typeof data === 'string') continue;
            const note = parseNote(data.toString('utf8'));
            if (note !== undefined) uses.set(name.slice(0, -'.json'.length), note);
          }
        }),
      ),
  );
  return uses;
}

function parseNote(text: string): LastUse | undefined {
  try {
    return v.parse(schema, JSON.parse(text));
  } catch {
    return undefined;
  }
}
