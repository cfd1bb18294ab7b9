import type { Unhealed } from './heal-namespaces.js';

/** The end of a pool's client, until everything of it is healed. */
export interface Loss {
  /** performance.now() */
  readonly since: number;
  /** Attach the pool although nothing is dead, so that the end of a client that an earlier process started is noticed. */
  readonly adopt: boolean;
  attempts: number;
  /** Another client of the pool ended while this one's mounts were being replaced. */
  again: boolean;
  running: Promise<void> | undefined;
  timer: NodeJS.Timeout | undefined;
  /** What keeps it from being healed, as it was last logged. */
  problem: string | undefined;
  unhealed: readonly Unhealed[];
  /** The pool's client runs and does not answer, as this process found it. */
  hangs: boolean;
}

export function newLoss(): Loss {
  return {
    since: performance.now(),
    adopt: false,
    attempts: 0,
    again: false,
    running: undefined,
    timer: undefined,
    problem: undefined,
    unhealed: [],
    hangs: false,
  };
}
