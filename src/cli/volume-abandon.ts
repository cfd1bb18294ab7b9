import { failedPrecondition, invalidArgument, isErrno } from '../base/errors.js';
import { DRIVER_NAME } from '../base/version.js';
import { writePrivateFile } from '../gluster/private-files.js';
import { abandonedPath, copyPlace } from '../hybrid/places.js';
import { leftCopies } from '../node/hybrid/left-copies.js';
import { parseHandle } from '../volumes/records/handle.js';
import type { Outcome } from './config-check.js';
import type { Settings } from './flags.js';

/** Where copies of hybrid volumes lie on this node. */
export function hybridDirectory({ hybridDir, kubeletDir }: Pick<Settings, 'hybridDir' | 'kubeletDir'>): string {
  return hybridDir ?? `${kubeletDir}/plugins/${DRIVER_NAME}/hybrid`;
}

/**
 * `kayal volume abandon POOL/ID`, on the node whose pods wait for the last sync of a hybrid volume: they wait no more, and what
 * is not in the pool is kept aside on the node.
 */
export async function abandonVolume(
  settings: Settings,
  { handle, yes }: { readonly handle: string; readonly yes: boolean },
): Promise<Outcome> {
  const parsed = parseHandle(handle);
  if (parsed === undefined) throw invalidArgument(`${handle} is not POOL/ID: take what "kayal volumes" shows`);
  const directory = hybridDirectory(settings);
  const found = (await leftCopies(directory)).find(({ copy }) => copy.handle === handle);
  if (found === undefined || found.copy.clean) {
    throw failedPrecondition(`volume ${handle} has nothing on this node (${directory}) that is not in its pool`);
  }
  const { state } = found.copy;
  if (!yes) {
    const text =
      `volume ${handle}: its pool has it as of ${state?.reaches ?? 'never: nothing was synced yet'}. What its pods on this node wrote ` +
      `since would not get there, and would be kept in ${directory}/.aside; say --yes to give it up\n`;
    return { exitCode: 1, text };
  }
  try {
    await writePrivateFile(abandonedPath(directory, copyPlace(parsed.pool, parsed.id)), '');
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    throw failedPrecondition(`volume ${handle} is not on this node any more`, { cause: error });
  }
  return { exitCode: 0, text: `volume ${handle}: nobody waits for its last sync any more\n` };
}
