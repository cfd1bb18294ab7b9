import { invalidArgument } from '../base/errors.js';
import type { CreateVolumeGroupSnapshotRequest__Output } from '../gen/csi/v1/CreateVolumeGroupSnapshotRequest.js';
import type { CreateVolumeGroupSnapshotResponse } from '../gen/csi/v1/CreateVolumeGroupSnapshotResponse.js';
import type { DeleteVolumeGroupSnapshotRequest__Output } from '../gen/csi/v1/DeleteVolumeGroupSnapshotRequest.js';
import type { DeleteVolumeGroupSnapshotResponse } from '../gen/csi/v1/DeleteVolumeGroupSnapshotResponse.js';
import type { GetVolumeGroupSnapshotRequest__Output } from '../gen/csi/v1/GetVolumeGroupSnapshotRequest.js';
import type { GetVolumeGroupSnapshotResponse } from '../gen/csi/v1/GetVolumeGroupSnapshotResponse.js';
import type { GroupControllerGetCapabilitiesResponse } from '../gen/csi/v1/GroupControllerGetCapabilitiesResponse.js';
import type { GroupControllerHandlers } from '../gen/csi/v1/GroupController.js';
import type { Service } from '../rpc/service.js';
import { checkName } from '../volumes/life/create.js';
import type { SnapshotService } from '../volumes/service/snapshot-service.js';
import { groupSnapshotOf } from './messages.js';
import { refuseParameters } from './snapshot-calls.js';

/**
 * A field of VolumeGroupSnapshotClass that means nothing to a driver; Kubernetes' own tests put it among the parameters, too
 * (GenerateVolumeGroupSnapshotClassSpec of its test/e2e/storage/utils).
 */
const CLASS_KEYS = ['deletionPolicy'];

function requireGroupId(id: string): void {
  if (id === '') throw invalidArgument('group_snapshot_id: is missing');
}

/** The CSI GroupController service: snapshots of several volumes of one pool. */
export function createGroupControllerService(snapshots: SnapshotService): Service<GroupControllerHandlers> {
  return {
    async GroupControllerGetCapabilities(): Promise<GroupControllerGetCapabilitiesResponse> {
      return { capabilities: [{ rpc: { type: 'CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT' } }] };
    },

    async CreateVolumeGroupSnapshot(
      request: CreateVolumeGroupSnapshotRequest__Output,
    ): Promise<CreateVolumeGroupSnapshotResponse> {
      checkName(request.name);
      if (request.source_volume_ids.length === 0) throw invalidArgument('source_volume_ids: is empty');
      refuseParameters(request.parameters, CLASS_KEYS);
      return { group_snapshot: groupSnapshotOf(await snapshots.createGroup(request.name, request.source_volume_ids)) };
    },

    async DeleteVolumeGroupSnapshot(
      request: DeleteVolumeGroupSnapshotRequest__Output,
    ): Promise<DeleteVolumeGroupSnapshotResponse> {
      requireGroupId(request.group_snapshot_id);
      await snapshots.deleteGroup(request.group_snapshot_id, request.snapshot_ids);
      return {};
    },

    async GetVolumeGroupSnapshot(
      request: GetVolumeGroupSnapshotRequest__Output,
    ): Promise<GetVolumeGroupSnapshotResponse> {
      requireGroupId(request.group_snapshot_id);
      return {
        group_snapshot: groupSnapshotOf(await snapshots.getGroup(request.group_snapshot_id, request.snapshot_ids)),
      };
    },
  };
}
