import { checkTlsFiles } from '../gluster/tls-files.js';
import type { PoolConfig } from '../pools/types.js';
import { bad, good, type Finding } from '../volumes/health/inspect.js';

/** Time enough to renew a certificate by hand. */
const SOON_MS = 14 * 24 * 3600 * 1000;

/**
 * What there is to say of the certificate of a pool; nothing without TLS.
 * @throws KayalError UNAVAILABLE when it does not do
 */
export async function inspectTls(pool: PoolConfig, now: number): Promise<Finding[]> {
  if (pool.type === 'directory' || pool.tls === undefined) return [];
  const { commonName, expires } = await checkTlsFiles(pool.name, pool.tls);
  const text = `certificate ${pool.tls.certificate} (${commonName || 'without a common name'}) is valid until ${new Date(expires).toISOString()}`;
  return [expires - now < SOON_MS ? bad(`${text}: renew it (docs/tls.md)`) : good(text)];
}
