import { notFound, unavailable } from '../base/errors.js';
import type { TlsFiles } from '../pools/types.js';
import { callRpc } from './rpc-call.js';
import { encodeDict, encodeOpaque, encodeUint } from './xdr.js';

/** rpc/rpc-lib/src/protocol-common.h: GLUSTER_HNDSK_PROGRAM, GLUSTER_HNDSK_VERSION, GF_HNDSK_GETSPEC. */
const PROGRAM = 14_398_633;
const VERSION = 2;
const GETSPEC = 2;

const GLUSTERD_PORT = 24_007;
const ENOENT = 2;

/** glusterd hands a volfile only to those who claim to understand it: the highest version it may ask for. */
const OP_VERSIONS = { 'min-op-version': '1', 'max-op-version': '999999' };

export interface GetSpecOptions {
  readonly host: string;
  /** glusterd's port; default 24007. */
  readonly port?: number;
  /** A volume's name for the client volfile, or the result of brickVolfileId. */
  readonly key: string;
  /** Default 5_000 ms. */
  readonly timeoutMs?: number;
  /** For servers that speak TLS only. */
  readonly tls?: TlsFiles | undefined;
}

/**
 * Asks glusterd for a volfile, as every GlusterFS client does when it mounts. The result holds the volume's
 * credentials: never log it.
 * @throws KayalError NOT_FOUND when it knows no such volume or brick, UNAVAILABLE when it cannot be asked
 */
export async function getSpec(options: GetSpecOptions): Promise<string> {
  const { host, port = GLUSTERD_PORT, key, timeoutMs = 5_000, tls } = options;
  // gf_getspec_req: flags, key, xdata; gf_getspec_rsp: op_ret, op_errno, spec, xdata (rpc/xdr/src/glusterfs3-xdr.x).
  const body = Buffer.concat([encodeUint(0), encodeOpaque(key), encodeOpaque(encodeDict(OP_VERSIONS))]);
  const procedure = { program: PROGRAM, version: VERSION, procedure: GETSPEC };
  const answer = await callRpc({ host, port, ...procedure, body, timeoutMs, tls });
  const result = answer.int();
  const errno = answer.int();
  const spec = answer.opaque().toString('utf8').replace(/\0+$/, '');
  if (result >= 0 && spec !== '') return spec;
  if (result >= 0 || errno === ENOENT)
    throw notFound(`${host}:${port} has no volfile ${key}: there is no such volume or brick`);
  throw unavailable(`${host}:${port} refuses the volfile ${key} (errno ${errno})`);
}

/**
 * The id under which glusterd serves the volfile of a brick; host and path as in the volume's client volfile
 * (glusterd-utils.c: `<volume>.<host>.<path without its first slash, the others as dashes>`).
 */
export function brickVolfileId(volume: string, host: string, path: string): string {
  return `${volume}.${host}.${path.replace(/^\//, '').replaceAll('/', '-')}`;
}
