import type { Tree } from '../../linux/tree.js';
import type { CopyRecord } from '../../hybrid/copy-record.js';

const MAX_BYTES = 4096;

/** In the volume's directory, beside its states. */
const FILE = 'holder.json';

/** Says that the holder of a turn lives. */
export async function beat(tree: Tree, path: string, { turn, state }: CopyRecord): Promise<void> {
  const text = JSON.stringify({ turn, at: new Date().toISOString(), reaches: state?.reaches });
  await tree.replaceFile(`${path}/.${FILE}.new`, `${path}/${FILE}`, Buffer.from(`${text}\n`));
}

interface Seen {
  readonly turn: number;
  readonly text: string;
  readonly since: number;
}

/**
 * Tells whether the holder of a turn says anything, by this node's own clock: nothing depends on what the clocks of two nodes
 * say.
 */
export class HeartbeatWatch {
  readonly #seen = new Map<string, Seen>();

  /** For how long the holder has said nothing, as far as this node has looked, in ms. */
  async silentFor(tree: Tree, { path, handle }: { path: string; handle: string }, turn: number): Promise<number> {
    const text = (await tree.readFile(`${path}/${FILE}`, MAX_BYTES))?.toString('utf8') ?? '';
    const now = performance.now();
    const seen = this.#seen.get(handle);
    if (seen?.turn === turn && seen.text === text) return now - seen.since;
    this.#seen.set(handle, { turn, text, since: now });
    return 0;
  }

  forget(handle: string): void {
    this.#seen.delete(handle);
  }
}
