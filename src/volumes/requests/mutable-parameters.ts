import { invalidArgument } from '../../base/errors.js';
import { inodeLimit } from './inode-limit.js';
import type { OnDelete, VolumeRecord } from '../records/record.js';

/** What a VolumeAttributesClass may ask for; what is absent stays as it is (csi.proto, mutable_parameters). */
export interface MutableParameters {
  readonly onDelete?: OnDelete;
  readonly softLimitPercent?: number;
  /** Files and directories; 0: as many as there is room for. */
  readonly inodeLimit?: number;
}

interface Parameter<T> {
  readonly values: string;
  readonly parse: (value: string) => T | undefined;
}

/** The one table of mutable parameters (docs/modify.md says what they mean). */
const PARAMETERS: { readonly [N in keyof MutableParameters]-?: Parameter<NonNullable<MutableParameters[N]>> } = {
  onDelete: {
    values: 'delete, archive or retain',
    parse: (value) => (value === 'delete' || value === 'archive' || value === 'retain' ? value : undefined),
  },
  softLimitPercent: {
    values: 'a whole number from 1 to 99',
    parse: (value) => (/^[1-9]\d?$/.test(value) ? Number(value) : undefined),
  },
  inodeLimit,
};

const NAMES = Object.keys(PARAMETERS) as readonly (keyof MutableParameters)[];

/** What csi-resizer adds with --extra-modify-metadata: which claim it is. */
const SIDECAR_PREFIX = 'csi.storage.k8s.io/';

/** @throws KayalError INVALID_ARGUMENT naming the parameter and what is allowed, for unknown ones the known ones */
export function parseMutableParameters(given: Readonly<Record<string, string>>): MutableParameters {
  const unknown = Object.keys(given).filter(
    (key) => !Object.hasOwn(PARAMETERS, key) && !key.startsWith(SIDECAR_PREFIX),
  );
  if (unknown.length > 0) {
    throw invalidArgument(
      `unknown mutable parameter ${unknown.map((key) => JSON.stringify(key)).join(', ')}; known are ${NAMES.join(', ')}`,
    );
  }
  return Object.fromEntries(
    NAMES.flatMap((name) => {
      const value = given[name];
      if (value === undefined) return [];
      const parsed = PARAMETERS[name].parse(value);
      if (parsed === undefined) {
        throw invalidArgument(`mutable parameter ${name}: ${JSON.stringify(value)} is not ${PARAMETERS[name].values}`);
      }
      return [[name, parsed]];
    }),
  );
}

/**
 * The record as the parameters want it; the very same object when it is so already.
 * @throws KayalError INVALID_ARGUMENT when this volume cannot be that way
 */
export function applyMutableParameters(record: VolumeRecord, wanted: MutableParameters): VolumeRecord {
  if (record.imported && wanted.onDelete !== undefined && wanted.onDelete !== 'retain') {
    throw invalidArgument(
      `mutable parameter onDelete: the data of volume ${record.pool}/${record.id} was there before Kayal and always stays (retain)`,
    );
  }
  return NAMES.every((name) => wanted[name] === undefined || wanted[name] === record[name])
    ? record
    : { ...record, ...wanted };
}
