import { clientOptionArguments } from './client-options.js';

export type ClientSource =
  | { readonly kind: 'volfile'; readonly path: string }
  | { readonly kind: 'servers'; readonly hosts: readonly string[]; readonly volume: string };

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
    (source.kind === 'servers' || argv.includes(`--volfile=${source.path}`))
  );
}
