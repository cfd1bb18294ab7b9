import type { IoWorkers } from '../linux/io-workers.js';
import { unmount } from '../linux/mount.js';
import { readMountinfo } from '../linux/mountinfo.js';
import { CLIENT_FS_TYPE } from './client.js';
import { listGlusterProcesses, seesSameDirectory } from './processes.js';
import { RunningProcess } from './running-process.js';

/**
 * Ends every client that was started below one of these directories, and takes its mounts away: nobody is there any more
 * to do so.
 * @throws SystemError when a mount cannot be taken away
 */
export async function endClientsBelow(io: IoWorkers, directories: readonly string[]): Promise<void> {
  if (directories.length === 0) return;
  const placeOf = (path: string): string | undefined => directories.find((one) => path.includes(`${one}/`));
  for (const { fsType, target } of (await readMountinfo()).toReversed()) {
    if (fsType !== CLIENT_FS_TYPE || placeOf(target) === undefined) continue;
    await unmount(io, 'clients of nobody', target, { detach: true });
  }
  for (const found of await listGlusterProcesses()) {
    const [place] = found.argv.flatMap((argument) => placeOf(argument) ?? []);
    if (place !== undefined && (await seesSameDirectory(found.pid, place))) await RunningProcess.adopt(found).end();
  }
}
