import { setTimeout as sleep } from 'node:timers/promises';
import { deferred } from '../base/deferred.js';
import { messageOf } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { DRIVER_NAME } from '../base/version.js';
import type { PluginInfo } from '../gen/pluginregistration/PluginInfo.js';
import type { RegistrationHandlers } from '../gen/pluginregistration/Registration.js';
import type { RegistrationStatusResponse } from '../gen/pluginregistration/RegistrationStatusResponse.js';
import { createHooks } from '../rpc/hooks.js';
import type { RpcMetrics } from '../rpc/metrics.js';
import { serviceDefinition } from '../rpc/schema.js';
import { serve } from '../rpc/server.js';
import { implement, type Service } from '../rpc/service.js';

const SERVICE = 'pluginregistration.Registration';
/** kubelet wants CSI versions here, of which it supports major version 1 (pkg/volume/csi, highestSupportedVersion). */
const CSI_VERSIONS = ['1.0.0'];
const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 60_000;
/** kubelet asks within a second or two where it watches the directory. */
const SILENCE_MS = 30_000;
/** kubelet's connection; nothing is lost when it is cut. */
const STOP_GRACE_MS = 1000;

export interface RegistrationOptions {
  /** Absolute path, as kubelet sees it. */
  readonly kubeletDir: string;
  /** Absolute path of the socket that serves CSI, as kubelet sees it. */
  readonly socket: string;
  readonly log: Logger;
  readonly metrics: RpcMetrics;
}

export interface Registration {
  /** Why kubelet does not know the driver now; undefined when it does. */
  readonly missing: () => string | undefined;
  /** Takes the socket away, upon which kubelet forgets the driver. */
  stop(): Promise<void>;
}

/** The socket through which kubelet learns of the driver. */
export function registrationSocket(kubeletDir: string): string {
  return `${kubeletDir}/plugins_registry/${DRIVER_NAME}-reg.sock`;
}

/**
 * Makes the driver known to kubelet, which watches plugins_registry: it asks each new socket there what it is, and tells
 * it whether that was accepted. kubelet does not come back after it refused (it counts the plugin as known before it
 * asks the CSI driver: pkg/kubelet/pluginmanager/operationexecutor), so the socket is then taken away and made anew.
 */
export function registerWithKubelet(options: RegistrationOptions): Registration {
  const { log } = options;
  const path = registrationSocket(options.kubeletDir);
  const stopping = new AbortController();
  const stopped = new Promise<void>((resolve) => {
    stopping.signal.addEventListener('abort', () => resolve());
  });
  let missing: string | undefined = `kubelet has not asked at ${path} yet`;
  let retryMs = FIRST_RETRY_MS;

  /** @returns when kubelet refused, or at the end */
  const offer = async (): Promise<void> => {
    const refused = deferred<void>();
    const silence = setTimeout(() => {
      log.warn({ path }, "kubelet has not asked for the driver: --kubelet-dir must be kubelet's own directory");
    }, SILENCE_MS);
    silence.unref();
    const service: Service<RegistrationHandlers> = {
      async GetInfo(): Promise<PluginInfo> {
        clearTimeout(silence);
        return { type: 'CSIPlugin', name: DRIVER_NAME, endpoint: options.socket, supported_versions: CSI_VERSIONS };
      },
      async NotifyRegistrationStatus({ plugin_registered, error }): Promise<RegistrationStatusResponse> {
        if (plugin_registered) {
          missing = undefined;
          retryMs = FIRST_RETRY_MS;
          log.info({ path }, 'kubelet registered the driver');
        } else {
          missing = `kubelet refused the driver: ${error}`;
          log.error({ path, reason: error, retryMs }, 'kubelet refused the driver');
          refused.resolve();
        }
        return {};
      },
    };
    const server = await serve({
      endpoint: path,
      services: [
        {
          definition: serviceDefinition(SERVICE),
          implementation: implement(service, createHooks(SERVICE, log, options.metrics)),
        },
      ],
    });
    await Promise.race([refused.promise, stopped]);
    clearTimeout(silence);
    await server.stop(STOP_GRACE_MS);
  };

  const ended = (async () => {
    while (!stopping.signal.aborted) {
      try {
        await offer();
      } catch (error) {
        missing = messageOf(error);
        log.warn({ error: missing, retryMs }, 'the driver cannot be offered to kubelet');
      }
      // Rejects when it is aborted, which the loop's condition sees too.
      await sleep(retryMs, undefined, { signal: stopping.signal }).catch(() => undefined);
      retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS);
    }
  })();
  return {
    missing: () => missing,
    stop: async () => {
      stopping.abort();
      await ended;
    },
  };
}
