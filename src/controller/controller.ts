import { invalidArgument, KayalError } from '../base/errors.js';
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
import type {
  ListVolumesResponse,
  _csi_v1_ListVolumesResponse_VolumeStatus as VolumeStatus,
} from '../gen/csi/v1/ListVolumesResponse.js';
import type { ValidateVolumeCapabilitiesRequest__Output } from '../gen/csi/v1/ValidateVolumeCapabilitiesRequest.js';
import type { ValidateVolumeCapabilitiesResponse } from '../gen/csi/v1/ValidateVolumeCapabilitiesResponse.js';
import type { Volume } from '../gen/csi/v1/Volume.js';
import type { Service } from '../rpc/service.js';
import { parseCapabilities, whyUnsupported } from '../volumes/requests/capabilities.js';
import type { ControlledPool } from '../volumes/service/controlled-pool.js';
import { checkName } from '../volumes/life/create.js';
import { nodeOfPool } from '../pools/reach.js';
import { parseHandle } from '../volumes/records/handle.js';
import { attachedNodes } from '../volumes/life/attach.js';
import type { AttachService } from '../volumes/service/attach-service.js';
import { type ListedVolume, listVolumes } from '../volumes/service/list.js';
import { parseMutableParameters } from '../volumes/requests/mutable-parameters.js';
import { ANYWHERE } from '../volumes/requests/topology.js';
import { ownParameters, parseClaim, parseParameters, type VolumeParameters } from '../volumes/requests/parameters.js';
import { chooseShape, isShown, minimumBytesOf, whyNotShape } from '../volumes/requests/volume-shape.js';
import type { VolumeRecord, VolumeShape } from '../volumes/records/record.js';
import type { SnapshotService } from '../volumes/service/snapshot-service.js';
import type { VolumeService } from '../volumes/service/volume-service.js';
import {
  accessibleFrom,
  parseCapacityRange,
  parseContentSource,
  parseTopology,
  volumeContextOf,
  volumeOf,
} from './messages.js';
import { ATTACH_CAPABILITIES, createAttachCalls } from './attach-calls.js';
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
  /** Absent: volumes are not attached. */
  readonly attach?: AttachService | undefined;
  readonly pools: () => ReadonlyMap<string, ControlledPool>;
  /** The node that the controller runs on. */
  readonly node: string;
  /** Entries of a pool that wait to be healed; undefined where that cannot be known. */
  readonly pendingHeals: (pool: string) => Promise<number | undefined>;
}

function requireVolumeId(id: string): void {
  if (id === '') throw invalidArgument('volume_id: is missing');
}

/** What volumes these parameters and capabilities mean; undefined: none, they contradict each other. */
function shapeOrUndefined(
  parameters: VolumeParameters,
  capabilities: GetCapacityRequest__Output['volume_capabilities'],
): VolumeShape | undefined {
  const accesses = capabilities.length === 0 ? [] : parseCapabilities(capabilities);
  try {
    return chooseShape(parameters, accesses);
  } catch (error) {
    if (error instanceof KayalError && error.code === 'INVALID_ARGUMENT') return undefined;
    throw error;
  }
}

/** The CSI Controller service: decodes, checks, calls the volumes and encodes. */
export function createControllerService({
  volumes,
  snapshots,
  attach,
  pools,
  node,
  pendingHeals: heals,
}: ControllerOptions): Service<ControllerHandlers> {
  const nodeOf = (pool: string): string | undefined => {
    const config = pools().get(pool)?.config;
    return config === undefined ? undefined : nodeOfPool(config, node);
  };
  const capabilities = [...CAPABILITIES, ...(attach === undefined ? [] : ATTACH_CAPABILITIES)];
  const statusOf = ({ record, condition }: Omit<ListedVolume, 'handle'>): VolumeStatus => ({
    volume_condition: condition,
    published_node_ids: attach === undefined || record === undefined ? [] : attachedNodes(record),
  });
  /** What can be said of a volume, also of one whose record is damaged. */
  const listedVolume = (handle: string, record: VolumeRecord | undefined): Volume => {
    const of = nodeOf(parseHandle(handle)?.pool ?? '');
    return record === undefined ? { volume_id: handle, ...accessibleFrom(of) } : volumeOf(record, of);
  };
  return {
    ...createSnapshotCalls(snapshots),
    ...(attach === undefined ? {} : createAttachCalls(attach)),

    async ControllerGetCapabilities(): Promise<ControllerGetCapabilitiesResponse> {
      return { capabilities: capabilities.map((type) => ({ rpc: { type } })) };
    },

    async CreateVolume(request: CreateVolumeRequest__Output): Promise<CreateVolumeResponse> {
      checkName(request.name);
      const accesses = parseCapabilities(request.volume_capabilities);
      const parameters = parseParameters(request.parameters);
      const record = await volumes.create({
        name: request.name,
        capacity: parseCapacityRange(request.capacity_range),
        parameters,
        shape: chooseShape(parameters, accesses),
        givenParameters: request.parameters,
        mutable: parseMutableParameters(request.mutable_parameters),
        claim: parseClaim(request.parameters),
        content: parseContentSource(request.volume_content_source),
        topology: parseTopology(request.accessibility_requirements),
      });
      return { volume: volumeOf(record, nodeOf(record.pool)) };
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
      const unfit = problem ?? whyNotShape(record, parseCapabilities(request.volume_capabilities));
      if (unfit !== undefined) return { message: unfit };
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
      await Promise.all([...pools().values()].map((pool) => pool.remembers()));
      const page = listVolumes(pools().values(), request.starting_token, request.max_entries, new Map(counts));
      return {
        entries: page.volumes.map(({ handle, record, condition }) => ({
          volume: listedVolume(handle, record),
          status: statusOf({ record, condition }),
        })),
        next_token: page.nextToken,
      };
    },

    async ControllerGetVolume(request: ControllerGetVolumeRequest__Output): Promise<ControllerGetVolumeResponse> {
      requireVolumeId(request.volume_id);
      const pendingHeals = await heals(parseHandle(request.volume_id)?.pool ?? '');
      const { handle, record, condition } = await volumes.look(request.volume_id, pendingHeals);
      return {
        volume: listedVolume(handle, record),
        status: statusOf({ record, condition }),
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
      const shape = shapeOrUndefined(parameters, request.volume_capabilities);
      if (shape === undefined) return { available_capacity: '0' };
      const { accessible_topology: segment } = request;
      const room = await volumes.available(
        parameters.pools,
        segment === null ? ANYWHERE : { requisite: [segment.segments], preferred: [] },
      );
      return {
        available_capacity: String(room.availableBytes),
        maximum_volume_size: { value: String(room.largestVolumeBytes) },
        minimum_volume_size: { value: String(minimumBytesOf(shape, room.minimumVolumeBytes)) },
      };
    },

    async ControllerExpandVolume(
      request: ControllerExpandVolumeRequest__Output,
    ): Promise<ControllerExpandVolumeResponse> {
      requireVolumeId(request.volume_id);
      if (request.capacity_range === null) throw invalidArgument('capacity_range: is missing');
      if (request.volume_capability !== null) parseCapabilities([request.volume_capability]);
      const record = await volumes.expand(request.volume_id, parseCapacityRange(request.capacity_range));
      return { capacity_bytes: String(record.limitBytes), node_expansion_required: !isShown(record) };
    },
  };
}
