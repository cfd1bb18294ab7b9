import { messageOf } from '../base/errors.js';
import { brickVolfileId, getSpec } from '../gluster/get-spec.js';
import { managementTls } from '../gluster/tls-files.js';
import { bricksOf, quotaSettings, type QuotaSettings } from '../gluster/volfile/quota-settings.js';
import type { GlusterPoolConfig } from '../pools/types.js';

/** How far a writer can get past its limit on a volume of glusterd's, as far as its brick's volfile tells. */
export type OvershootRisk =
  | { readonly kind: 'small' }
  /** Beyond 5 % for volumes of ordinary size, with the commands that mend it. */
  | { readonly kind: 'large'; readonly settings: QuotaSettings; readonly commands: readonly string[] }
  /** The servers do not say; only a measurement can tell. */
  | { readonly kind: 'unknown'; readonly reason: string };

/**
 * Until a timeout is over the brick trusts the usage it last heard of, so a writer gets on at full speed for so many
 * seconds: 60/5 (the default) let a 200 MiB volume grow to 500 MiB, 1/1 to 208 MiB, 0/0 to 201 MiB (measured).
 */
export function riskOf(volume: string, settings: QuotaSettings): OvershootRisk {
  if (settings.softTimeout === 0 && settings.hardTimeout === 0) return { kind: 'small' };
  const commands = [
    ...(settings.softTimeout === 0 ? [] : [`gluster volume quota ${volume} soft-timeout 0`]),
    ...(settings.hardTimeout === 0 ? [] : [`gluster volume quota ${volume} hard-timeout 0`]),
  ];
  return { kind: 'large', settings, commands };
}

/** Asks the servers for the volfile of a brick, as a client asks for its own; needs no ssh and no gluster CLI. */
export async function overshootRisk(pool: Pick<GlusterPoolConfig, 'hosts' | 'volume' | 'tls'>): Promise<OvershootRisk> {
  const { hosts, volume } = pool;
  const tls = managementTls(pool);
  const reasons: string[] = [];
  for (const host of hosts) {
    try {
      const [brick] = bricksOf(await getSpec({ host, key: volume, tls }));
      if (brick === undefined) return { kind: 'unknown', reason: `the client volfile of ${volume} names no brick` };
      const volfile = await getSpec({ host, key: brickVolfileId(volume, brick.host, brick.path), tls });
      const settings = quotaSettings(volfile);
      return settings === undefined ? { kind: 'unknown', reason: 'quota is not enabled' } : riskOf(volume, settings);
    } catch (error) {
      reasons.push(`${host}: ${messageOf(error)}`);
    }
  }
  return { kind: 'unknown', reason: reasons.join('; ') };
}

/** One sentence for the log and for doctor, with what to do. */
export function describeRisk(volume: string, risk: OvershootRisk): string {
  switch (risk.kind) {
    case 'small':
      return `quota of volume ${volume}: a writer is stopped within 5 % of its limit (timeouts 0/0)`;
    case 'large':
      return (
        `quota of volume ${volume}: soft-timeout is ${risk.settings.softTimeout} s and hard-timeout ${risk.settings.hardTimeout} s, ` +
        `so a writer can get far more than 5 % past its limit; run: ${risk.commands.join(' && ')}`
      );
    case 'unknown':
      return `quota of volume ${volume}: the servers do not say how exact it is (${risk.reason}); "kayal doctor" measures it`;
  }
}
