import { failedPrecondition, messageOf } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { listStates } from '../../hybrid/states.js';
import { endTurn, heldTurn, takeTurn } from '../../volumes/leases/hybrid-turn.js';
import type { ImageUser } from '../../volumes/leases/image-lease.js';
import { hybridSettingsOf } from '../../volumes/requests/hybrid-settings.js';
import { HeartbeatWatch } from './heartbeat.js';
import type { HybridVolume } from './local-image.js';

/** A holder that has said nothing for this long is taken for lost (onNodeLoss: takeover). It says something every 10 s. */
const SILENT_MS = 60_000;

/** Gets volumes' turns for this node. */
export class TurnTaker {
  readonly #self: ImageUser;
  readonly #log: Logger;
  readonly #watch = new HeartbeatWatch();

  constructor({ self, log }: { readonly self: ImageUser; readonly log: Logger }) {
    this.#self = self;
    this.#log = log;
  }

  /**
   * The turn of a volume, for this node.
   * @returns its number, which is higher than that of every state in the pool
   * @throws KayalError FAILED_PRECONDITION naming the node that has it: it has to give it back, to be told to, or, with
   *   `onNodeLoss: takeover`, to have said nothing for a minute
   */
  async take({ record, attachment, handle }: HybridVolume): Promise<number> {
    const { tree } = attachment;
    const states = await listStates(tree, record.path);
    const least = Math.max(1, ...states.map(({ turn }) => turn + 1));
    const take = (): Promise<number> => takeTurn(tree, record, this.#self, least);
    try {
      const turn = await take();
      this.#watch.forget(handle);
      return turn;
    } catch (error) {
      const held = await heldTurn(tree, record.id);
      if (held === undefined || hybridSettingsOf(record).onNodeLoss === 'wait') throw error;
      const silent = await this.#watch.silentFor(tree, { path: record.path, handle }, held.turn);
      if (silent < SILENT_MS) {
        const seconds = [silent, SILENT_MS].map((ms) => Math.round(ms / 1_000));
        throw failedPrecondition(
          `${messageOf(error)}; this node takes it over when that one has said nothing for ${seconds[1]} s (${seconds[0]} s so far)`,
          { cause: error },
        );
      }
      const node = held.holder.node;
      this.#log.warn({ volume: handle, node, silentMs: Math.round(silent) }, 'taken over from a lost node');
      await endTurn(tree, record.id, held.turn);
      return take();
    }
  }
}
