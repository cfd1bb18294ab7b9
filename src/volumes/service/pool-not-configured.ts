import { failedPrecondition, type KayalError } from '../../base/errors.js';

/** To a deletion, OK would say that the data is gone. */
export function poolNotConfigured(what: string, handle: string, pool: string): KayalError {
  return failedPrecondition(
    `${what} ${handle} cannot be deleted: its pool ${pool} is not in the configuration of this controller. Put the pool ` +
      'back; or, if its data is to stay there for good, remove the finalizers of the Kubernetes object',
  );
}
