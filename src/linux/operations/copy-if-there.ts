import { SystemError } from '../../base/errors.js';
import { ANY_PATH, openBeneathBytes, withFd } from '../handles.js';
import { fullStatusOf } from '../stat.js';
import { textOfPath } from './copy-paths.js';
import { unlessGone } from './copy-races.js';
import type { CopyRun } from './copy-run.js';

/** A name that comes and goes (files replaced all the time) is met by one of them. */
const ATTEMPTS = 20;

/**
 * Copies what has a name in the source, unless it is gone. Through GlusterFS the errors that say so come also for what is
 * there, and a name may have come back meanwhile: a copy without it would look complete, so it is tried again.
 * @returns false: nothing of that name is in the source
 * @throws SystemError EAGAIN when it is there and cannot be met
 */
export function copyIfThere(run: CopyRun, path: string, copy: () => void): boolean {
  const about = (): string => textOfPath(path);
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const copied = unlessGone(() => {
      copy();
      return true;
    });
    if (copied === true) return true;
    const found = unlessGone(() =>
      withFd(openBeneathBytes(run.source, path, ANY_PATH), (fd) => fullStatusOf(fd, about)),
    );
    if (found === undefined) return false;
  }
  throw new SystemError('EAGAIN', 'copy', about());
}
