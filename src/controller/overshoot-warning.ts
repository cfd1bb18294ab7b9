import { messageOf } from '../base/errors.js';
import { describeRisk, overshootRisk } from '../quota/overshoot-risk.js';
import type { Session } from '../volumes/pool/session.js';

/** Says in the log, once a pool of glusterd's is open, when its limits do not hold, and which commands mend it. */
export async function warnOfOvershoot({ config, mechanism, log }: Session): Promise<void> {
  if (config.type !== 'gluster' || mechanism.name !== 'gluster') return;
  try {
    const risk = await overshootRisk(config);
    log[risk.kind === 'large' ? 'warn' : 'info']({ risk: risk.kind }, describeRisk(config.volume, risk));
  } catch (error) {
    log.warn({ error: messageOf(error) }, 'how exact the quota is could not be found out');
  }
}
