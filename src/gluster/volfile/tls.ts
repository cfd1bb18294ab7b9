import type { BrickLocation, PoolLayout } from './layout.js';

/**
 * Suites of TLS 1.2 with forward secrecy and authenticated encryption. Older protocols have none of them, which is how
 * they are ruled out: GlusterFS has no option for the oldest version. TLS 1.3 has its own suites, all of them good.
 */
const CIPHERS = 'ECDHE+AESGCM:ECDHE+CHACHA20';

/** What both ends of a connection are told (rpc/rpc-transport/socket/src/socket.c); nothing without TLS. */
export function tlsOptions({ tls }: Pick<PoolLayout, 'tls'>): Record<string, string> {
  if (tls === undefined) return {};
  return {
    'transport.socket.ssl-enabled': 'on',
    'transport.socket.ssl-own-cert': tls.certificate,
    'transport.socket.ssl-private-key': tls.key,
    'transport.socket.ssl-ca-list': tls.ca,
    'transport.socket.ssl-cipher-list': CIPHERS,
  };
}

/**
 * The name that clients ask a brick for, and that its access options are about. With TLS GlusterFS looks at the name in the
 * client's certificate and at neither user nor password (xlators/protocol/auth/login/src/login.c), so there the pool's
 * password is part of the name: who does not know it asks for a brick that is not there.
 */
export function exportName({ credentials, tls }: PoolLayout, { path }: BrickLocation): string {
  return tls === undefined ? path : `${path}:${credentials.password}`;
}

/** Who may use a brick: whoever has the pool's user name and password; with TLS, whoever has a certificate of this name. */
export function accessOptions(layout: PoolLayout, brick: BrickLocation): Record<string, string> {
  const { credentials, tls } = layout;
  const name = exportName(layout, brick);
  if (tls !== undefined) return { [`auth.login.${name}.ssl-allow`]: tls.commonName };
  return {
    [`auth.login.${name}.allow`]: credentials.username,
    [`auth.login.${credentials.username}.password`]: credentials.password,
  };
}

/** What a client shows besides its certificate. */
export function credentialOptions({ credentials, tls }: PoolLayout): Record<string, string> {
  return tls === undefined ? { ...credentials } : {};
}
