import { fileURLToPath } from 'node:url';
import type { ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const PROTO = fileURLToPath(new URL('../../proto/csi.proto', import.meta.url));

let loaded: ReturnType<typeof loadSync> | undefined;

/** A service of the Container Storage Interface, as its specification has it; `longs` and enums are strings. */
export function csiService(name: 'Identity' | 'Controller' | 'Node'): ServiceDefinition {
  loaded ??= loadSync(PROTO, { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true });
  return loaded[`csi.v1.${name}`] as ServiceDefinition;
}
