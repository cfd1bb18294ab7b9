import { failedPrecondition } from '../base/errors.js';
import { listGlusterProcesses, seesSameDirectory } from './processes.js';
import { numberedBricks } from './volfile/cluster.js';
import type { PoolLayout } from './volfile/layout.js';

/** True for a process that was started with a file of the pool's directory: its bricks, helpers and clients. */
function isOfPool(argv: readonly string[], directory: string): boolean {
  return argv.some((argument) => argument.startsWith(`${directory}/`) || argument.includes(`=${directory}/`));
}

/** True while any process of the pool runs, also a client, which knows the bricks by their ports. */
export async function isPoolRunning(directory: string): Promise<boolean> {
  for (const { pid, argv } of await listGlusterProcesses()) {
    if (isOfPool(argv, directory) && (await seesSameDirectory(pid, directory))) return true;
  }
  return false;
}

/**
 * Refuses to start a brick twice: two processes on one directory would damage it.
 * @param only the only brick of the pool that is run here; absent: all are
 * @throws KayalError FAILED_PRECONDITION when a process that is not ours serves one of the bricks
 */
export async function refuseForeignBrickProcesses(layout: PoolLayout, directory: string, only?: number): Promise<void> {
  const own = numberedBricks(layout).filter(({ index }) => only === undefined || index === only);
  const paths = new Set(own.map(({ brick }) => brick.path));
  for (const { pid, argv } of await listGlusterProcesses()) {
    const option = argv.indexOf('--brick-name');
    const path = option < 0 ? undefined : argv[option + 1];
    if (path === undefined || !paths.has(path) || isOfPool(argv, directory)) continue;
    if (!(await seesSameDirectory(pid, path))) continue;
    throw failedPrecondition(
      `pool ${layout.pool}: brick ${path} is served by process ${pid}, which this driver did not start: end that process first`,
    );
  }
}
