import { chmod, chown, lstat, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { failedPrecondition, invalidArgument, isErrno } from '../base/errors.js';

/** sun_path of unix(7) has 108 bytes; a longer path would silently be cut and bound elsewhere. */
const MAX_SOCKET_PATH = 107;

export interface ServedService {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}

export interface ServeOptions {
  /** `unix:///absolute/path` or an absolute path. */
  readonly endpoint: string;
  readonly services: readonly ServedService[];
  /** Group that may use the socket (mode 0660); absent: root alone (0600). */
  readonly socketGroup?: number | undefined;
}

export interface RunningServer {
  readonly path: string;
  /** Lets calls in flight end, at most `graceMs`; new ones get UNAVAILABLE. */
  stop(graceMs: number): Promise<void>;
}

/** @throws KayalError INVALID_ARGUMENT for anything but an absolute unix socket path of at most 107 bytes */
export function socketPath(endpoint: string): string {
  const path = endpoint.replace(/^unix:(?:\/\/)?/, '');
  if (!path.startsWith('/')) {
    throw invalidArgument(`endpoint ${JSON.stringify(endpoint)}: must be unix:///absolute/path`);
  }
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH) {
    throw invalidArgument(`endpoint ${path}: a unix socket path has at most ${MAX_SOCKET_PATH} bytes (unix(7))`);
  }
  return path;
}

function isServed(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** A socket file that nobody serves is removed: grpc-js never does, and reports it like a live one. */
async function removeStaleSocket(path: string): Promise<void> {
  let stat;
  try {
    stat = await lstat(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return;
    throw error;
  }
  if (!stat.isSocket())
    throw failedPrecondition(`endpoint ${path} exists and is not a socket: remove it or take another`);
  if (await isServed(path)) throw failedPrecondition(`endpoint ${path} is served by another process: stop it first`);
  await unlink(path);
}

/**
 * Serves on a unix socket with mode 0600 (0660 with a group).
 * @throws KayalError FAILED_PRECONDITION when the socket cannot be taken
 */
export async function serve(options: ServeOptions): Promise<RunningServer> {
  const path = socketPath(options.endpoint);
  try {
    await lstat(dirname(path));
  } catch (error) {
    throw failedPrecondition(`endpoint ${path}: the directory ${dirname(path)} does not exist: make it first`, {
      cause: error,
    });
  }
  await removeStaleSocket(path);
  const server = new Server();
  for (const { definition, implementation } of options.services) server.addService(definition, implementation);
  // The socket must never be open to others, not even between bind and chmod.
  const umask = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(`unix://${path}`, ServerCredentials.createInsecure(), (error) => {
        if (error) reject(error);
        else resolve();
      });
    });
  } finally {
    process.umask(umask);
  }
  if (options.socketGroup !== undefined) {
    await chown(path, process.getuid?.() ?? 0, options.socketGroup);
    await chmod(path, 0o660);
  }
  return { path, stop: (graceMs) => stop(server, graceMs) };
}

function stop(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.forceShutdown(), graceMs);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
