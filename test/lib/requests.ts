import { status } from '@grpc/grpc-js';
import { expect } from 'vitest';
import { messageOf } from '../../src/base/errors.js';
import type { CreateVolumeRequest } from '../../src/gen/csi/v1/CreateVolumeRequest.js';
import type { VolumeCapability } from '../../src/gen/csi/v1/VolumeCapability.js';
import { isServiceError } from './csi-client.js';

export const MiB = 1024 * 1024;

/** ReadWriteMany on a mounted directory. */
export const SHARED: VolumeCapability = {
  mount: { fs_type: '', mount_flags: [] },
  access_mode: { mode: 'MULTI_NODE_MULTI_WRITER' },
};

export interface VolumeWish {
  readonly sizeMiB?: number | undefined;
  readonly limitMiB?: number | undefined;
  readonly parameters?: Readonly<Record<string, string>> | undefined;
}

export function createRequest(name: string, wish: VolumeWish = {}): CreateVolumeRequest {
  return {
    name,
    capacity_range: { required_bytes: (wish.sizeMiB ?? 1) * MiB, limit_bytes: (wish.limitMiB ?? 0) * MiB },
    volume_capabilities: [SHARED],
    parameters: wish.parameters ?? {},
  };
}

/** What external-provisioner adds with --extra-create-metadata. */
export function claimParameters(namespace: string, name: string, pv: string): Record<string, string> {
  return {
    'csi.storage.k8s.io/pvc/namespace': namespace,
    'csi.storage.k8s.io/pvc/name': name,
    'csi.storage.k8s.io/pv/name': pv,
  };
}

/** Awaits a call that has to fail with the given status and a message that says what the user needs. */
export async function expectStatus(call: Promise<unknown>, code: keyof typeof status, message: RegExp): Promise<void> {
  const error: unknown = await call.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  if (!isServiceError(error)) throw new Error(`expected ${code}, got ${error === undefined ? 'OK' : messageOf(error)}`);
  expect({ code: status[error.code], details: error.details }).toEqual({
    code,
    details: expect.stringMatching(message) as string,
  });
}

/** Repeats a call as a sidecar would: as long as the answer says that work may still be going on. */
export async function retried<T>(call: () => Promise<T>, timeoutMs = 60_000): Promise<T> {
  const until = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const again = [status.ABORTED, status.UNAVAILABLE, status.DEADLINE_EXCEEDED, status.CANCELLED];
      if (!isServiceError(error) || !again.includes(error.code) || performance.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
