import type { Config } from '../pools/types.js';
import type { ServedService } from '../rpc/server.js';

/** One role's part of a process: what it serves, and how it follows the configuration. */
export interface Part {
  readonly services: readonly ServedService[];
  /** Called with each configuration before a call may see it: takes in what is new, and waits for nothing. */
  announce?(config: Config): void;
  /** Ends what a changed configuration no longer has, before the parts that it stands on end theirs. */
  retire?(config: Config): Promise<void>;
  /** Called at start and with every changed configuration; returns without waiting for pools to come up. */
  apply(config: Config): Promise<void>;
  /** Why it cannot do its work yet; undefined when it can. Must not touch storage. */
  notReady?(): string | undefined;
  stop(): Promise<void>;
}
