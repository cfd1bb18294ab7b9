import { KayalError } from '../../base/errors.js';
import { currentState } from '../../hybrid/states.js';
import type { Tree } from '../../linux/tree.js';
import type { VolumeRecord } from '../records/record.js';

/** What is wrong with the states of a `hybrid` volume; undefined when nothing is, or none was ever made. */
export async function hybridProblem(tree: Tree, { path }: VolumeRecord): Promise<string | undefined> {
  try {
    await currentState(tree, path);
    return undefined;
  } catch (error) {
    if (!(error instanceof KayalError)) throw error;
    // It changes while it is looked at, so somebody uses it.
    if (error.code === 'ABORTED') return undefined;
    return `${error.message.replace('; see "kayal doctor"', '')}: the node that used it last may have a copy in its --hybrid-dir`;
  }
}
