/** features/quota's limit of a directory (QUOTA_LIMIT_KEY in libglusterfs' quota-common-utils.h). */
export const LIMIT_XATTR = 'trusted.glusterfs.quota.limit-set';
/** features/quota's limit of the files and directories in a directory, itself included (QUOTA_LIMIT_OBJECTS_KEY there). */
export const OBJECTS_XATTR = 'trusted.glusterfs.quota.limit-objects';
/** features/marker's count of what is in a directory; the brick adds the quota version to the name by itself. */
export const SIZE_XATTR = 'trusted.glusterfs.quota.size';

/** The soft limit in percent of the hard one; -1: the brick's default (80). */
export type SoftPercent = -1 | 50;

/** The value of LIMIT_XATTR: hard limit in bytes and soft limit in percent, both big-endian int64 (quota_limits_t). */
export function encodeLimit(hardBytes: bigint, softPercent: SoftPercent): Buffer {
  const value = Buffer.alloc(16);
  value.writeBigInt64BE(hardBytes, 0);
  value.writeBigInt64BE(BigInt(softPercent), 8);
  return value;
}

/** The hard limit in bytes; undefined when there is none or the value is not one of features/quota. */
export function decodeLimit(value: Buffer | undefined): bigint | undefined {
  if (value === undefined || value.length < 8) return undefined;
  const hardBytes = value.readBigInt64BE(0);
  return hardBytes > 0n ? hardBytes : undefined;
}

export interface CountedSize {
  readonly bytes: bigint;
  readonly files: bigint;
  /** Includes the directory itself. */
  readonly directories: bigint;
}

/** The value of SIZE_XATTR (quota_meta_t); undefined when it is not one. */
export function decodeSize(value: Buffer | undefined): CountedSize | undefined {
  if (value?.length !== 24) return undefined;
  return { bytes: value.readBigInt64BE(0), files: value.readBigInt64BE(8), directories: value.readBigInt64BE(16) };
}
