import { invalidArgument } from '../base/errors.js';
import type { ControllerHandlers } from '../gen/csi/v1/Controller.js';
import type { ControllerPublishVolumeRequest__Output } from '../gen/csi/v1/ControllerPublishVolumeRequest.js';
import type { ControllerPublishVolumeResponse } from '../gen/csi/v1/ControllerPublishVolumeResponse.js';
import type { ControllerUnpublishVolumeRequest__Output } from '../gen/csi/v1/ControllerUnpublishVolumeRequest.js';
import type { ControllerUnpublishVolumeResponse } from '../gen/csi/v1/ControllerUnpublishVolumeResponse.js';
import type { Service } from '../rpc/service.js';
import { parseCapability } from '../volumes/requests/capabilities.js';
import type { AttachService } from '../volumes/service/attach-service.js';

/** What the controller can do besides when volumes are attached. */
export const ATTACH_CAPABILITIES = [
  'PUBLISH_UNPUBLISH_VOLUME',
  'PUBLISH_READONLY',
  'LIST_VOLUMES_PUBLISHED_NODES',
] as const;

/** The calls of the CSI Controller service that attach and detach. */
export function createAttachCalls(attach: AttachService): Service<ControllerHandlers> {
  return {
    async ControllerPublishVolume(
      request: ControllerPublishVolumeRequest__Output,
    ): Promise<ControllerPublishVolumeResponse> {
      if (request.volume_id === '') throw invalidArgument('volume_id: is missing');
      if (request.node_id === '') throw invalidArgument('node_id: is missing');
      const access = parseCapability(request.volume_capability);
      const wanted = { node: request.node_id, readOnly: request.readonly, access };
      await attach.publish(request.volume_id, wanted, request.volume_context);
      return {};
    },

    async ControllerUnpublishVolume(
      request: ControllerUnpublishVolumeRequest__Output,
    ): Promise<ControllerUnpublishVolumeResponse> {
      if (request.volume_id === '') throw invalidArgument('volume_id: is missing');
      await attach.unpublish(request.volume_id, request.node_id);
      return {};
    },
  };
}
