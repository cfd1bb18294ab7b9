import type { TlsFiles } from '../pools/types.js';
import { getSpec } from './get-spec.js';

/** A server that has not handed the volfile out by then counts as away, in ms. */
const PATIENCE_MS = 2_000;

async function serves(host: string, volume: string, tls: TlsFiles | undefined): Promise<boolean> {
  return getSpec({ host, key: volume, timeoutMs: PATIENCE_MS, tls }).then(
    () => true,
    () => false,
  );
}

/**
 * The servers in the order in which a client should ask them: first those that hand the volume's volfile out now.
 * glusterfs(8) does not always go on to its next --volfile-server: when the first one closes the connection at once, it
 * exits (tried with 10.3). Where none answers the order stays.
 * @param tls for servers whose glusterd speaks TLS only
 */
export async function servingFirst(hosts: readonly string[], volume: string, tls?: TlsFiles): Promise<string[]> {
  if (hosts.length < 2) return [...hosts];
  const asked = await Promise.all(hosts.map(async (host) => ({ host, up: await serves(host, volume, tls) })));
  return [...asked.filter(({ up }) => up), ...asked.filter(({ up }) => !up)].map(({ host }) => host);
}
