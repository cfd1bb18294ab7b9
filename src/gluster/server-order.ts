import { getSpec } from './get-spec.js';

/** A server that has not handed the volfile out by then counts as away, in ms. */
const PATIENCE_MS = 2_000;

async function serves(host: string, volume: string): Promise<boolean> {
  return getSpec({ host, key: volume, timeoutMs: PATIENCE_MS }).then(
    () => true,
    () => false,
  );
}

/**
 * The servers in the order in which a client should ask them: first those that hand the volume's volfile out now.
 * glusterfs(8) does not always go on to its next --volfile-server: when the first one closes the connection at once, it
 * exits (tried with 10.3). Where none answers (a management connection with TLS) the order stays.
 */
export async function servingFirst(hosts: readonly string[], volume: string): Promise<string[]> {
  if (hosts.length < 2) return [...hosts];
  const asked = await Promise.all(hosts.map(async (host) => ({ host, up: await serves(host, volume) })));
  return [...asked.filter(({ up }) => up), ...asked.filter(({ up }) => !up)].map(({ host }) => host);
}
