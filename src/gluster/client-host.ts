import { spawnDetached } from './processes.js';
import type { ProcessId, RunningProcess } from './running-process.js';

/** Where GlusterFS clients of this machine run. They outlive whoever started them. */
export interface ClientHost {
  /**
   * @param argv program and arguments
   * @param paths directories that the client must see as we do
   * @throws KayalError UNAVAILABLE or FAILED_PRECONDITION with the reason
   */
  launch(argv: readonly string[], paths: readonly string[]): Promise<RunningProcess>;
  /** Sees to it that a client which an earlier driver started outlives us, too. */
  adopt(client: ProcessId): Promise<void>;
}

/** Beside the driver, on a machine without containers. A container that ends takes them along. */
export const BESIDE: ClientHost = {
  launch: (argv) => spawnDetached(argv),
  adopt: () => Promise.resolve(),
};
