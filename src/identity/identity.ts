import { DRIVER_NAME, VERSION } from '../base/version.js';
import type { IdentityHandlers } from '../gen/csi/v1/Identity.js';
import type { GetPluginCapabilitiesResponse } from '../gen/csi/v1/GetPluginCapabilitiesResponse.js';
import type { GetPluginInfoResponse } from '../gen/csi/v1/GetPluginInfoResponse.js';
import type { ProbeResponse } from '../gen/csi/v1/ProbeResponse.js';
import type { Service } from '../rpc/service.js';

export interface IdentityOptions {
  /** False in a process that serves the Node service alone. */
  readonly controller: boolean;
}

/** The CSI Identity service. Probe never touches storage: a pool that is down must not get the driver restarted. */
export function createIdentityService(options: IdentityOptions): Service<IdentityHandlers> {
  return {
    async GetPluginInfo(): Promise<GetPluginInfoResponse> {
      return { name: DRIVER_NAME, vendor_version: VERSION };
    },
    async GetPluginCapabilities(): Promise<GetPluginCapabilitiesResponse> {
      const capabilities: GetPluginCapabilitiesResponse['capabilities'] = [
        { service: { type: 'VOLUME_ACCESSIBILITY_CONSTRAINTS' } },
        { volume_expansion: { type: 'ONLINE' } },
      ];
      if (options.controller) {
        capabilities.unshift(
          { service: { type: 'CONTROLLER_SERVICE' } },
          { service: { type: 'GROUP_CONTROLLER_SERVICE' } },
        );
      }
      return { capabilities };
    },
    async Probe(): Promise<ProbeResponse> {
      return { ready: { value: true } };
    },
  };
}
