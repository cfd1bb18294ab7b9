import { DIRECTORY, openBeneathBytes, withFd } from '../handles.js';
import { fullStatusOf } from '../stat.js';
import { sys } from '../sys.js';
import { timesOf } from './copy-attributes.js';
import { splitBytes, textOfPath } from './copy-paths.js';
import { unlessGone, unlessThere } from './copy-races.js';
import type { CopyRun } from './copy-run.js';

/** Gives a directory its times again after a name was added: as it is in the source now; where that is gone they stay. */
export function restoreTimes(run: CopyRun, path: string): void {
  const about = (): string => textOfPath(path);
  unlessGone(() =>
    withFd(openBeneathBytes(run.source, path, DIRECTORY), (source) =>
      withFd(openBeneathBytes(run.target, path, DIRECTORY), (target) => {
        sys.futimens(target, timesOf(fullStatusOf(source, about)), about);
      }),
    ),
  );
}

/** Gives a file that is copied already its other names. */
export function linkNames(run: CopyRun, from: string, names: readonly string[]): void {
  const source = splitBytes(from);
  withFd(openBeneathBytes(run.target, source.parent, DIRECTORY), (first) => {
    for (const path of names) {
      const { parent, name } = splitBytes(path);
      const linked = unlessGone(() =>
        withFd(openBeneathBytes(run.target, parent, DIRECTORY), (directory) =>
          unlessThere(() => {
            sys.linkat(first, source.name, directory, name, () => textOfPath(path));
            return true;
          }),
        ),
      );
      if (linked === true) restoreTimes(run, parent);
    }
  });
}
