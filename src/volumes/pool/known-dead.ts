import { isProcessAlive, type ProcessIdentity } from '../../linux/process-info.js';

/** True only when `other` is known to have ended; false when it lives or cannot be seen from here. */
export async function isKnownDead(other: ProcessIdentity, self: ProcessIdentity): Promise<boolean> {
  if (other.machineId === '' || other.machineId !== self.machineId) return false;
  if (other.bootId !== self.bootId) return true;
  if (other.pidNamespace !== self.pidNamespace) return false;
  return !(await isProcessAlive(other.pid, other.startTime));
}
