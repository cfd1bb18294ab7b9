import { invalidArgument } from '../../base/errors.js';
import { ON_NODE_LOSS, SYNC_INTERVAL, type OnNodeLoss } from './hybrid-settings.js';
import { inodeLimit } from './inode-limit.js';
import { checkPathPattern } from './path-pattern.js';
import { isPoolName } from '../records/handle.js';
import type { Claim, FsType, OnDelete } from '../records/record.js';

/** What a StorageClass asks for, parsed. */
export interface VolumeParameters {
  /** Pools to choose from; empty: the only one there is. */
  readonly pools: readonly string[];
  /** What a mounted volume is; one of volumeMode Block is `block` whatever this says. */
  readonly volumeType: 'directory' | 'file' | 'hybrid';
  /** The filesystem of a `file` volume; absent: not said. */
  readonly fsType?: FsType | undefined;
  readonly pathPattern?: string | undefined;
  readonly onDelete: OnDelete;
  /** Files and directories; 0: as many as there is room for. */
  readonly inodeLimit?: number | undefined;
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

interface Parameter<T> {
  readonly values: string;
  readonly parse: (value: string) => T | undefined;
}

const id: Parameter<number> = {
  values: 'a number from 0 to 4294967294',
  parse: (value) => (/^\d{1,10}$/.test(value) && Number(value) < 4_294_967_295 ? Number(value) : undefined),
};

/** The one table of StorageClass parameters (docs/storageclass.md says what they mean). */
const PARAMETERS = {
  pool: {
    values: 'the name of a pool, or several separated by commas',
    parse: (value) => {
      const names = value.split(',').map((name) => name.trim());
      return names.every(isPoolName) && new Set(names).size === names.length ? names : undefined;
    },
  } satisfies Parameter<readonly string[]>,
  volumeType: {
    values: 'directory, file or hybrid',
    parse: (value) => (value === 'directory' || value === 'file' || value === 'hybrid' ? value : undefined),
  } satisfies Parameter<'directory' | 'file' | 'hybrid'>,
  fsType: {
    values: 'ext4 or xfs',
    parse: (value) => (value === 'ext4' || value === 'xfs' ? value : undefined),
  } satisfies Parameter<FsType>,
  pathPattern: {
    values:
      'a relative path of literal text, ${pvc.metadata.namespace}, ${pvc.metadata.name} and ${pv.metadata.name}, outside .kayal and volumes',
    parse: (value) => (checkPathPattern(value) ? value : undefined),
  } satisfies Parameter<string>,
  onDelete: {
    values: 'delete, archive or retain',
    parse: (value) => (value === 'delete' || value === 'archive' || value === 'retain' ? value : undefined),
  } satisfies Parameter<OnDelete>,
  inodeLimit: inodeLimit satisfies Parameter<number>,
  syncInterval: SYNC_INTERVAL satisfies Parameter<number>,
  onNodeLoss: ON_NODE_LOSS satisfies Parameter<OnNodeLoss>,
  uid: id,
  gid: id,
  mode: {
    values: 'an octal number from 0 to 7777',
    parse: (value) => (/^0?[0-7]{1,4}$/.test(value) ? Number.parseInt(value, 8) : undefined),
  } satisfies Parameter<number>,
} as const;
type ParameterName = keyof typeof PARAMETERS;

/** external-provisioner adds these with --extra-create-metadata; others of the prefix are for the sidecars themselves. */
const CLAIM_PREFIX = 'csi.storage.k8s.io/';

function isParameter(key: string): key is ParameterName {
  return Object.hasOwn(PARAMETERS, key);
}

function parse<N extends ParameterName>(
  given: Readonly<Record<string, string>>,
  name: N,
): ReturnType<(typeof PARAMETERS)[N]['parse']> | undefined {
  const value = given[name];
  if (value === undefined) return undefined;
  const parsed = PARAMETERS[name].parse(value);
  if (parsed === undefined) {
    throw invalidArgument(`parameter ${name}: ${JSON.stringify(value)} is not ${PARAMETERS[name].values}`);
  }
  return parsed as ReturnType<(typeof PARAMETERS)[N]['parse']>;
}

/** The parameters that are the StorageClass' own, without what sidecars add. */
export function ownParameters(given: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(given).filter(([key]) => !key.startsWith(CLAIM_PREFIX)));
}

/** @throws KayalError INVALID_ARGUMENT naming the parameter, what is allowed, and for an unknown one the known ones */
export function parseParameters(given: Readonly<Record<string, string>>): VolumeParameters {
  const unknown = Object.keys(ownParameters(given)).filter((key) => !isParameter(key));
  if (unknown.length > 0) {
    throw invalidArgument(
      `unknown parameter ${unknown.map((key) => JSON.stringify(key)).join(', ')}; known are ${Object.keys(PARAMETERS).join(', ')}`,
    );
  }
  const volumeType = parse(given, 'volumeType') ?? 'directory';
  for (const name of ['syncInterval', 'onNodeLoss'] as const) {
    if (parse(given, name) !== undefined && volumeType !== 'hybrid') {
      throw invalidArgument(`parameter ${name} is for hybrid volumes: add volumeType: hybrid, or leave ${name} out`);
    }
  }
  return {
    pools: parse(given, 'pool') ?? [],
    volumeType,
    fsType: parse(given, 'fsType'),
    pathPattern: parse(given, 'pathPattern'),
    onDelete: parse(given, 'onDelete') ?? 'delete',
    inodeLimit: parse(given, 'inodeLimit'),
    uid: parse(given, 'uid') ?? 0,
    gid: parse(given, 'gid') ?? 0,
    mode: parse(given, 'mode') ?? 0o777,
  };
}

/** Who asked for the volume, where the provisioner says so. */
export function parseClaim(given: Readonly<Record<string, string>>): Claim {
  return {
    namespace: given[`${CLAIM_PREFIX}pvc/namespace`],
    name: given[`${CLAIM_PREFIX}pvc/name`],
    pv: given[`${CLAIM_PREFIX}pv/name`],
  };
}
