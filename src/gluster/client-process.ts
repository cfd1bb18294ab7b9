import type { GlusterTlsConfig } from '../pools/types.js';
import { clientOptionArguments } from './client-options.js';
import { talksTls, tlsArgument } from './tls-argument.js';

export type ClientSource =
  /** `talksTls`: what the volfile says, absent = no. */
  | { readonly kind: 'volfile'; readonly path: string; readonly talksTls?: boolean }
  | {
      readonly kind: 'servers';
      readonly hosts: readonly string[];
      readonly volume: string;
      readonly tls?: GlusterTlsConfig | undefined;
    };

export interface ClientCommand {
  readonly name: string;
  readonly mountPoint: string;
  readonly source: ClientSource;
  readonly options: Readonly<Record<string, string>>;
  readonly control: boolean;
  readonly logFile: string;
}

/** Clients with a negative pid may set quota limits; -14 is GF_CLIENT_PID_QUOTA_MOUNT's (glusterfs.h). */
const CONTROL_CLIENT_PID = '--client-pid=-14';

function volfileId(source: ClientSource, name: string): string {
  return `--volfile-id=${source.kind === 'volfile' ? name : `/${source.volume.replace(/^\//, '')}`}`;
}

/**
 * Bricks are spoken to with TLS whatever the servers' volfile says, so that nobody who hands out another one gets an open
 * connection (libglusterfs/src/graph.c: gf_add_cmdline_options).
 */
function tlsArguments(source: ClientSource, pool: string): string[] {
  if (source.kind === 'volfile') return source.talksTls === true ? [tlsArgument(`${pool}-client-*`)] : [];
  const { volume, tls } = source;
  if (tls === undefined) return [];
  const option = (name: string, value: string): string =>
    `--xlator-option=${volume}-client-*.transport.socket.ssl-${name}=${value}`;
  return [
    tlsArgument(`${volume}-client-*`),
    option('own-cert', tls.certificate),
    option('private-key', tls.key),
    option('ca-list', tls.ca),
    ...(tls.management ? ['--secure-mgmt=on'] : []),
  ];
}

/** Program and arguments of a FUSE client. */
export function clientArguments({ name, mountPoint, source, options, control, logFile }: ClientCommand): string[] {
  return [
    'glusterfs',
    '-N',
    '--process-name',
    'fuse',
    `--log-file=${logFile}`,
    '--log-level=WARNING',
    ...(source.kind === 'volfile'
      ? [`--volfile=${source.path}`]
      : source.hosts.map((host) => `--volfile-server=${host}`)),
    volfileId(source, name),
    ...tlsArguments(source, name),
    ...clientOptionArguments(options),
    ...(control ? [CONTROL_CLIENT_PID] : []),
    mountPoint,
  ];
}

/**
 * True when a process with these arguments is the client that `command` would start, whatever its options: options take
 * effect when it is mounted anew, and that is no reason to take the mount away from those who use it.
 */
export function isSameClient(argv: readonly string[], command: ClientCommand): boolean {
  const { source, control, name, mountPoint } = command;
  return (
    argv.at(-1) === mountPoint &&
    argv.includes(volfileId(source, name)) &&
    argv.includes(CONTROL_CLIENT_PID) === control &&
    (source.kind === 'servers' ||
      (argv.includes(`--volfile=${source.path}`) && talksTls(argv) === (source.talksTls === true)))
  );
}

/**
 * True when it is the client that an earlier configuration of the pool had, and that does not reach the bricks any more:
 * they have been told to use TLS since, or not to.
 */
export function isClientOfOtherTransport(argv: readonly string[], { source, mountPoint }: ClientCommand): boolean {
  return (
    source.kind === 'volfile' &&
    argv.at(-1) === mountPoint &&
    argv.includes(`--volfile=${source.path}`) &&
    talksTls(argv) !== (source.talksTls === true)
  );
}
