import { invalidArgument } from '../base/errors.js';
import type { ControllerHandlers } from '../gen/csi/v1/Controller.js';
import type { CreateSnapshotRequest__Output } from '../gen/csi/v1/CreateSnapshotRequest.js';
import type { CreateSnapshotResponse } from '../gen/csi/v1/CreateSnapshotResponse.js';
import type { DeleteSnapshotRequest__Output } from '../gen/csi/v1/DeleteSnapshotRequest.js';
import type { DeleteSnapshotResponse } from '../gen/csi/v1/DeleteSnapshotResponse.js';
import type { GetSnapshotRequest__Output } from '../gen/csi/v1/GetSnapshotRequest.js';
import type { GetSnapshotResponse } from '../gen/csi/v1/GetSnapshotResponse.js';
import type { ListSnapshotsRequest__Output } from '../gen/csi/v1/ListSnapshotsRequest.js';
import type { ListSnapshotsResponse } from '../gen/csi/v1/ListSnapshotsResponse.js';
import type { Service } from '../rpc/service.js';
import { checkName } from '../volumes/life/create.js';
import { ownParameters } from '../volumes/requests/parameters.js';
import type { SnapshotService } from '../volumes/service/snapshot-service.js';
import { snapshotOf } from './messages.js';

type SnapshotCalls = Pick<
  Service<ControllerHandlers>,
  'CreateSnapshot' | 'DeleteSnapshot' | 'GetSnapshot' | 'ListSnapshots'
>;

/**
 * @param but keys that mean nothing, and are let pass
 * @throws KayalError INVALID_ARGUMENT: no VolumeSnapshotClass has parameters of its own yet
 */
export function refuseParameters(given: Readonly<Record<string, string>>, but: readonly string[] = []): void {
  const own = Object.keys(ownParameters(given)).filter((key) => !but.includes(key));
  if (own.length === 0) return;
  throw invalidArgument(`unknown parameter ${own.map((key) => JSON.stringify(key)).join(', ')}; snapshots have none`);
}

/** The calls of the CSI Controller service on snapshots. */
export function createSnapshotCalls(snapshots: SnapshotService): SnapshotCalls {
  return {
    async CreateSnapshot(request: CreateSnapshotRequest__Output): Promise<CreateSnapshotResponse> {
      checkName(request.name);
      if (request.source_volume_id === '') throw invalidArgument('source_volume_id: is missing');
      refuseParameters(request.parameters);
      return { snapshot: snapshotOf(await snapshots.create(request.name, request.source_volume_id)) };
    },

    async DeleteSnapshot(request: DeleteSnapshotRequest__Output): Promise<DeleteSnapshotResponse> {
      if (request.snapshot_id === '') throw invalidArgument('snapshot_id: is missing');
      await snapshots.delete(request.snapshot_id);
      return {};
    },

    async GetSnapshot(request: GetSnapshotRequest__Output): Promise<GetSnapshotResponse> {
      if (request.snapshot_id === '') throw invalidArgument('snapshot_id: is missing');
      return { snapshot: snapshotOf(await snapshots.get(request.snapshot_id)) };
    },

    async ListSnapshots(request: ListSnapshotsRequest__Output): Promise<ListSnapshotsResponse> {
      if (request.max_entries < 0) throw invalidArgument('max_entries: is negative');
      const page = snapshots.list({
        snapshot: request.snapshot_id,
        source: request.source_volume_id,
        token: request.starting_token,
        maxEntries: request.max_entries,
      });
      return {
        entries: page.snapshots.map((record) => ({ snapshot: snapshotOf(record) })),
        next_token: page.nextToken,
      };
    },
  };
}
