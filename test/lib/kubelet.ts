import { lstat } from 'node:fs/promises';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import type { PluginInfo__Output } from '../../src/gen/pluginregistration/PluginInfo.js';
import { serviceDefinition } from '../../src/rpc/schema.js';
import { waitFor } from './wait.js';

interface FoundSocket {
  readonly path: string;
  /** Inode numbers come back at once on some file systems. */
  readonly madeAtMs: number;
}

/** Waits for a socket that is not `former`. */
export async function waitForSocket(path: string, former?: FoundSocket): Promise<FoundSocket> {
  return waitFor(`${path}${former === undefined ? '' : ' to be made anew'}`, async () => {
    const found = await lstat(path).catch(() => undefined);
    return found?.isSocket() === true && found.ctimeMs !== former?.madeAtMs
      ? { path, madeAtMs: found.ctimeMs }
      : undefined;
  });
}

function call(client: Client, name: string, request: object): Promise<object> {
  const method = serviceDefinition('pluginregistration.Registration')[name];
  if (method === undefined) throw new Error(`${name} is not a method of kubelet's registration`);
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      new Metadata(),
      { deadline: Date.now() + 10_000 },
      (error, response) => (error === null ? resolve(response as object) : reject(error)),
    );
  });
}

/**
 * Does what kubelet does with a socket in plugins_registry: asks what it is, and tells what came of it.
 * @param refusal kubelet's reason; absent: it accepts
 */
export async function registerLikeKubelet(socket: string, refusal?: string): Promise<PluginInfo__Output> {
  // kubelet dials the bare path, so that its authority is the path, percent-encoded (grpc-go, encodeAuthority).
  const client = new Client(`unix:${socket}`, credentials.createInsecure(), {
    'grpc.default_authority': encodeURIComponent(socket),
  });
  try {
    const info = (await call(client, 'GetInfo', {})) as PluginInfo__Output;
    const status = refusal === undefined ? { plugin_registered: true } : { plugin_registered: false, error: refusal };
    await call(client, 'NotifyRegistrationStatus', status);
    return info;
  } finally {
    client.close();
  }
}
