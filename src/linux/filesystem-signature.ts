/** How much of an image `contentOf` looks at, in bytes. */
export const SIGNATURE_BYTES: number = 128 * 1024;

/** What the beginning of an image says that it holds. */
export type ImageContent = 'ext4' | 'xfs' | 'zero' | 'other';

/** ext4's superblock lies at 1024, its magic 0xef53 at 56 of it (Documentation/filesystems/ext4/super.rst). */
const EXT_MAGIC = 1024 + 56;
/** s_feature_incompat, and of it EXTENTS, 64BIT and FLEX_BG: what no ext2 or ext3 has. */
const EXT_INCOMPAT = 1024 + 96;
const EXT4_ONLY = 0x40 | 0x80 | 0x200;

/** Looks for the magic numbers of the filesystems that Kayal makes. Whatever is neither these nor all zeros is `other`. */
export function contentOf(start: Uint8Array): ImageContent {
  const bytes = Buffer.from(start.buffer, start.byteOffset, start.byteLength);
  if (bytes.every((byte) => byte === 0)) return 'zero';
  if (bytes.toString('latin1', 0, 4) === 'XFSB') return 'xfs';
  if (bytes.length < EXT_INCOMPAT + 4 || bytes.readUInt16LE(EXT_MAGIC) !== 0xef53) return 'other';
  return (bytes.readUInt32LE(EXT_INCOMPAT) & EXT4_ONLY) === 0 ? 'other' : 'ext4';
}
