import { invalidArgument } from '../base/errors.js';
import type { ControllerExpandVolumeRequest__Output } from '../gen/csi/v1/ControllerExpandVolumeRequest.js';
import type { ControllerExpandVolumeResponse } from '../gen/csi/v1/ControllerExpandVolumeResponse.js';
import type { ControllerGetCapabilitiesResponse } from '../gen/csi/v1/ControllerGetCapabilitiesResponse.js';
import type { ControllerGetVolumeRequest__Output } from '../gen/csi/v1/ControllerGetVolumeRequest.js';
import type { ControllerGetVolumeResponse } from '../gen/csi/v1/ControllerGetVolumeResponse.js';
import type { ControllerModifyVolumeRequest__Output } from '../gen/csi/v1/ControllerModifyVolumeRequest.js';
import type { ControllerModifyVolumeResponse } from '../gen/csi/v1/ControllerModifyVolumeResponse.js';
import type { ControllerHandlers } from '../gen/csi/v1/Controller.js';
import type { CreateVolumeRequest__Output } from '../gen/csi/v1/CreateVolumeRequest.js';
import type { CreateVolumeResponse } from '../gen/csi/v1/CreateVolumeResponse.js';
import type { DeleteVolumeRequest__Output } from '../gen/csi/v1/DeleteVolumeRequest.js';
import type { DeleteVolumeResponse } from '../gen/csi/v1/DeleteVolumeResponse.js';
import type { GetCapacityRequest__Output } from '../gen/csi/v1/GetCapacityRequest.js';
import type { GetCapacityResponse } from '../gen/csi/v1/GetCapacityResponse.js';
import type { ListVolumesRequest__Output } from '../gen/csi/v1/ListVolumesRequest.js';
import type { ListVolumesResponse } from '../gen/csi/v1/ListVolumesResponse.js';
import type { ValidateVolumeCapabilitiesRequest__Output } from '../gen/csi/v1/ValidateVolumeCapabilitiesRequest.js';
import type { ValidateVolumeCapabilitiesResponse } from '../gen/csi/v1/ValidateVolumeCapabilitiesResponse.js';
import type { Service } from '../rpc/service.js';
import { parseCapabilities, whyUnsupported } from '../volumes/requests/capabilities.js';
import type { ControlledPool } from '../volumes/service/controlled-pool.js';
import { checkName } from '../volumes/life/create.js';
import { parseHandle } from '../volumes/records/handle.js';
import { listVolumes } from '../volumes/service/list.js';
import { parseMutableParameters } from '../volumes/requests/mutable-parameters.js';
import { ownParameters, parseClaim, parseParameters } from '../volumes/requests/parameters.js';
import type { SnapshotService } from '../volumes/service/snapshot-service.js';
import type { VolumeService } from '../volumes/service/volume-service.js';
import { parseCapacityRange, parseContentSource, volumeContextOf, volumeOf } from './messages.js';
import { createSnapshotCalls } from './snapshot-calls.js';

const CAPABILITIES = [
  'CREATE_DELETE_VOLUME',
  'LIST_VOLUMES',
  'GET_CAPACITY',
  'EXPAND_VOLUME',
  'SINGLE_NODE_MULTI_WRITER',
  'GET_VOLUME',
  'MODIFY_VOLUME',
  'VOLUME_CONDITION',
  'CREATE_DELETE_SNAPSHOT',
  'LIST_SNAPSHOTS',
  'GET_SNAPSHOT',
  'CLONE_VOLUME',
] as const;

export interface ControllerOptions {
  readonly volumes: VolumeService;
  readonly snapshots: SnapshotService;
  readonly pools: () => ReadonlyMap<string, ControlledPool>;
  /** Entries of a pool that wait to be healed; undefined where that cannot be known. */
  readonly pendingHeals: (pool: string) => Promise<number | undefined>;
}

function requireVolumeId(id: string): void {
  if (id === '') throw invalidArgument('volume_id: is missing');
}

/** The CSI Controller service: decodes, checks, calls the volumes and encodes. */
export function createControllerService({
  volumes,
  snapshots,
  pools,
  pendingHeals: heals,
}: ControllerOptions): Service<ControllerHandlers> {
  return {
    ...createSnapshotCalls(snapshots),

    async ControllerGetCapabilities(): Promise<ControllerGetCapabilitiesResponse> {
      return { capabilities: CAPABILITIES.map((type) => ({ rpc: { type } })) };
    },

    async CreateVolume(request: CreateVolumeRequest__Output): Promise<CreateVolumeResponse> {
      checkName(request.name);
      parseCapabilities(request.volume_capabilities);
      const record = await volumes.create({
        name: request.name,
        capacity: parseCapacityRange(request.capacity_range),
        parameters: parseParameters(request.parameters),
        givenParameters: request.parameters,
        mutable: parseMutableParameters(request.mutable_parameters),
        claim: parseClaim(request.parameters),
        content: parseContentSource(request.volume_content_source),
      });
      return { volume: volumeOf(record) };
    },

    async DeleteVolume(request: DeleteVolumeRequest__Output): Promise<DeleteVolumeResponse> {
      requireVolumeId(request.volume_id);
      await volumes.delete(request.volume_id);
      return {};
    },

    async ValidateVolumeCapabilities(
      request: ValidateVolumeCapabilitiesRequest__Output,
    ): Promise<ValidateVolumeCapabilitiesResponse> {
      requireVolumeId(request.volume_id);
      const problem = whyUnsupported(request.volume_capabilities);
      const record = await volumes.get(request.volume_id);
      if (problem !== undefined) return { message: problem };
      const context = volumeContextOf(record);
      for (const [key, value] of Object.entries(request.volume_context)) {
        if (key in context && context[key] !== value) {
          return { message: `volume_context: ${key} is ${JSON.stringify(context[key])} for this volume` };
        }
      }
      try {
        parseParameters(ownParameters(request.parameters));
      } catch (error) {
        return { message: (error as Error).message };
      }
      return {
        confirmed: {
          volume_context: request.volume_context,
          volume_capabilities: request.volume_capabilities,
          parameters: request.parameters,
        },
      };
    },

    async ListVolumes(request: ListVolumesRequest__Output): Promise<ListVolumesResponse> {
      if (request.max_entries < 0) throw invalidArgument('max_entries: is negative');
      const counts = await Promise.all(
        [...pools().keys()].map(async (pool) => [pool, (await heals(pool)) ?? 0] as const),
      );
      const page = listVolumes(pools().values(), request.starting_token, request.max_entries, new Map(counts));
      return {
        entries: page.volumes.map(({ handle, record, condition }) => ({
          volume: record === undefined ? { volume_id: handle } : volumeOf(record),
          status: { volume_condition: condition },
        })),
        next_token: page.nextToken,
      };
    },

    async ControllerGetVolume(request: ControllerGetVolumeRequest__Output): Promise<ControllerGetVolumeResponse> {
      requireVolumeId(request.volume_id);
      const pendingHeals = await heals(parseHandle(request.volume_id)?.pool ?? '');
      const { handle, record, condition } = await volumes.look(request.volume_id, pendingHeals);
      return {
        volume: record === undefined ? { volume_id: handle } : volumeOf(record),
        status: { volume_condition: condition },
      };
    },

    async ControllerModifyVolume(
      request: ControllerModifyVolumeRequest__Output,
    ): Promise<ControllerModifyVolumeResponse> {
      requireVolumeId(request.volume_id);
      await volumes.modify(request.volume_id, parseMutableParameters(request.mutable_parameters));
      return {};
    },

    async GetCapacity(request: GetCapacityRequest__Output): Promise<GetCapacityResponse> {
      const parameters = parseParameters(request.parameters);
      const unsupported = request.volume_capabilities.length > 0 && whyUnsupported(request.volume_capabilities);
      if (typeof unsupported === 'string') return { available_capacity: '0' };
      const room = await volumes.available(parameters.pools);
      return {
        available_capacity: String(room.availableBytes),
        maximum_volume_size: { value: String(room.largestVolumeBytes) },
        minimum_volume_size: { value: String(room.minimumVolumeBytes) },
      };
    },

    async ControllerExpandVolume(
      request: ControllerExpandVolumeRequest__Output,
    ): Promise<ControllerExpandVolumeResponse> {
      requireVolumeId(request.volume_id);
      if (request.capacity_range === null) throw invalidArgument('capacity_range: is missing');
      if (request.volume_capability !== null) parseCapabilities([request.volume_capability]);
      const record = await volumes.expand(request.volume_id, parseCapacityRange(request.capacity_range));
      return { capacity_bytes: String(record.limitBytes), node_expansion_required: false };
    },
  };
}
