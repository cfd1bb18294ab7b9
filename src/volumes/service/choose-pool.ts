import { alreadyExists, exhausted, failedPrecondition, invalidArgument, unavailable } from '../../base/errors.js';
import { nodeOfPool } from '../../pools/reach.js';
import type { PoolConfig } from '../../pools/types.js';
import type { Session } from '../pool/session.js';
import { formatHandle, volumeIdOf } from '../records/handle.js';
import { describeRequisite, isAllowed, rankOf, type TopologyRequirement } from '../requests/topology.js';
import type { ControlledPool } from './controlled-pool.js';

export interface PoolChoiceOptions {
  /** Every pool of the config, by name. */
  readonly pools: () => ReadonlyMap<string, PoolConfig>;
  /** The pools that this controller manages: all but the static-only ones. */
  readonly controlled: () => ReadonlyMap<string, ControlledPool>;
  /** The node that this controller runs on: no other pool of one node can be managed from here. */
  readonly node: string;
}

/** What a volume that is to be made needs of its pool. */
export interface WantedPool {
  /** The CO's name for the volume. */
  readonly name: string;
  /** Those it may be made in; none: the only pool that there is. */
  readonly pools: readonly string[];
  readonly topology: TopologyRequirement;
  readonly requiredBytes: bigint;
}

const aloneOn = (pool: ControlledPool, node: string | undefined): string =>
  `pool ${pool.config.name} is on node ${JSON.stringify(node)} alone`;

/** Finds the pool for a volume. */
export class PoolChoice {
  readonly #options: PoolChoiceOptions;

  constructor(options: PoolChoiceOptions) {
    this.#options = options;
  }

  /** The one node that reaches the pool; undefined: all do. */
  nodeOf(pool: ControlledPool): string | undefined {
    return nodeOfPool(pool.config, this.#options.node);
  }

  /** True for a pool of another node: this controller can do nothing with it. */
  isElsewhere(pool: ControlledPool): boolean {
    const node = this.nodeOf(pool);
    return node !== undefined && node !== this.#options.node;
  }

  /** @throws KayalError INVALID_ARGUMENT for an unknown pool, FAILED_PRECONDITION for a static-only one */
  named(names: readonly string[]): ControlledPool[] {
    const pools = this.#options.pools();
    const known = [...pools.keys()].join(', ');
    if (names.length === 0) {
      const [only, ...others] = [...this.#options.controlled().values()];
      if (only !== undefined && others.length === 0) return [only];
      throw invalidArgument(
        only === undefined
          ? 'no pool is configured that volumes can be made in'
          : `parameter pool: is missing, and there are several pools: ${known}`,
      );
    }
    return names.map((name) => {
      if (!pools.has(name)) throw invalidArgument(`parameter pool: ${name} is unknown; pools are ${known}`);
      const pool = this.#options.controlled().get(name);
      if (pool === undefined)
        throw failedPrecondition(`parameter pool: ${name} holds static volumes only (staticOnly)`);
      return pool;
    });
  }

  /**
   * The pool that has the volume already, else the one to make it in: of those that are reached from where it is asked
   * for, those with room for it first, then in the order of preference, then the roomiest.
   * @throws KayalError RESOURCE_EXHAUSTED when none is reached from there, ALREADY_EXISTS when the volume is elsewhere,
   *   FAILED_PRECONDITION when the pools are of other nodes than the controller's, UNAVAILABLE when none is open
   */
  async choose(wanted: WantedPool): Promise<Session> {
    const candidates = this.named(wanted.pools);
    const here = candidates.filter((pool) => !this.isElsewhere(pool));
    if (here.length === 0) {
      const reasons = candidates.map((pool) => aloneOn(pool, this.nodeOf(pool)));
      throw failedPrecondition(
        `${reasons.join(', ')}, and this controller runs on node ${JSON.stringify(this.#options.node)}: it has to run ` +
          'where the pool is (docs/topology.md)',
      );
    }
    const holder = await this.#holderOf(here, wanted.name);
    if (holder !== undefined) return this.#checkedHolder(holder, wanted);
    const reached = here.filter((pool) => isAllowed(wanted.topology, this.nodeOf(pool)));
    if (reached.length === 0) {
      const reasons = here.map((pool) => aloneOn(pool, this.nodeOf(pool)));
      throw exhausted(
        `no volume can be made for ${describeRequisite(wanted.topology)}: ${reasons.join(', ')}; let the pod run ` +
          'there, or name a pool that all nodes reach',
      );
    }
    return this.#best(reached, wanted);
  }

  async #checkedHolder(pool: ControlledPool, { name, topology }: WantedPool): Promise<Session> {
    if (!isAllowed(topology, this.nodeOf(pool))) {
      const handle = formatHandle({ pool: pool.config.name, id: volumeIdOf(name) });
      throw alreadyExists(
        `volume ${handle} exists, and ${aloneOn(pool, this.nodeOf(pool))}: it is asked for on ${describeRequisite(topology)}`,
      );
    }
    return pool.session();
  }

  /** The pool that has a volume of this name from an earlier attempt. */
  async #holderOf(candidates: readonly ControlledPool[], name: string): Promise<ControlledPool | undefined> {
    const id = volumeIdOf(name);
    for (const pool of candidates) {
      const session = pool.current();
      const catalog = session?.catalog ?? pool.seenCatalog();
      // A pool never seen might have it: making another one elsewhere would leave that one behind.
      if (catalog === undefined) {
        if ((await pool.session()).catalog.get(id) !== undefined) return pool;
      } else if (catalog.get(id) !== undefined || catalog.damagedRecord(id) !== undefined) return pool;
    }
    return undefined;
  }

  async #best(candidates: readonly ControlledPool[], { topology, requiredBytes }: WantedPool): Promise<Session> {
    const [first] = candidates;
    if (candidates.length === 1 && first !== undefined) return first.session();
    const open: { session: Session; available: bigint; rank: number }[] = [];
    for (const pool of candidates) {
      const session = pool.current();
      if (session === undefined) continue;
      await session.capacity.refresh();
      const { available } = session.capacity.current();
      open.push({ session, available, rank: rankOf(topology, this.nodeOf(pool)) });
    }
    const fitting = open.filter(({ available }) => available >= requiredBytes);
    const [best] = (fitting.length > 0 ? fitting : open).sort(
      (a, b) => a.rank - b.rank || (a.available < b.available ? 1 : -1),
    );
    if (best !== undefined) return best.session;
    const reasons = candidates.map((pool) => `${pool.config.name}: ${pool.reason()}`);
    throw unavailable(`none of the pools is available (${reasons.join('; ')})`);
  }
}
