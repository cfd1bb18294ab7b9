import { basename, dirname } from 'node:path';
import { failedPrecondition, isErrno, messageOf } from '../base/errors.js';
import { bricksKey } from '../linux/brick-connection.js';
import type { IoWorkers } from '../linux/io-workers.js';
import { Tree } from '../linux/tree.js';
import type { MechanismName } from '../quota/mechanism.js';
import { unrecordedLayout } from './volfile/group-shape.js';

/** What a brick knows about itself, whatever is lost elsewhere. */
export interface BrickLabel {
  readonly pool: string;
  /** Its number in the pool, from 0: replication's bookkeeping counts on it. */
  readonly index: number;
  /** How many bricks the pool has. */
  readonly count: number;
  readonly volumeId: string;
  readonly quota: MechanismName;
  /** What each group of the pool's bricks is (describeShape). */
  readonly layout: string;
}

/** What was found at the path of a brick. `hasData`: it holds something of a pool's content. */
export type BrickFinding =
  | { readonly kind: 'no-parent' | 'absent' | 'empty' }
  | { readonly kind: 'labelled'; readonly label: BrickLabel; readonly hasData: boolean }
  | { readonly kind: 'foreign'; readonly what: string }
  | { readonly kind: 'unreadable'; readonly reason: string };

/**
 * Kept on `.glusterfs` and not on the brick's root: replication compares and copies the root's xattrs between bricks
 * (afr-self-heal-metadata.c), and each brick's label is another one. Clients cannot reach `.glusterfs`.
 */
const LABEL_HOLDER = '.glusterfs';
const LABEL_XATTR = 'trusted.kayal.brick';
/** storage/posix refuses a brick whose root does not have the pool's id here (16 raw bytes). */
const VOLUME_ID_XATTR = 'trusted.glusterfs.volume-id';

const MECHANISMS: readonly unknown[] = ['project', 'gluster', 'simple', 'none'] satisfies MechanismName[];

/** Not content: a label's holder, and what mkfs leaves. */
const NO_DATA = new Set([LABEL_HOLDER, 'lost+found']);

/** undefined: not a label that this version understands. */
export function parseLabel(text: string): BrickLabel | undefined {
  try {
    const label = JSON.parse(text) as Record<string, unknown>;
    const { pool, index, count, volumeId, quota } = label;
    if (typeof pool !== 'string' || typeof index !== 'number' || typeof count !== 'number') return undefined;
    if (typeof volumeId !== 'string' || !MECHANISMS.includes(quota)) return undefined;
    const { layout = unrecordedLayout(count) } = label;
    if (typeof layout !== 'string') return undefined;
    return { pool, index, count, volumeId, quota: quota as MechanismName, layout };
  } catch {
    return undefined;
  }
}

function volumeIdBytes(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}

async function inspectTree(tree: Tree): Promise<BrickFinding> {
  const names = ((await tree.list('')) ?? []).map(({ name }) => name);
  const hasData = names.some((name) => !NO_DATA.has(name));
  const label = names.includes(LABEL_HOLDER) ? await tree.getXattr(LABEL_HOLDER, LABEL_XATTR) : undefined;
  if (label !== undefined) {
    const parsed = parseLabel(Buffer.from(label).toString('utf8'));
    if (parsed === undefined) return { kind: 'foreign', what: 'a label of another version of Kayal' };
    return { kind: 'labelled', label: parsed, hasData };
  }
  if ((await tree.getXattr('', VOLUME_ID_XATTR)) !== undefined) {
    return { kind: 'foreign', what: 'a GlusterFS volume that Kayal did not make' };
  }
  return hasData ? { kind: 'foreign', what: 'files that are not a brick' } : { kind: 'empty' };
}

/** Looks at the place of a brick without changing anything. */
export async function inspectBrick(io: IoWorkers, pool: string, path: string): Promise<BrickFinding> {
  let tree: Tree;
  try {
    tree = await Tree.open(io, bricksKey(pool), path);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) return { kind: 'unreadable', reason: messageOf(error) };
    const parent = await Tree.open(io, bricksKey(pool), dirname(path)).catch(() => undefined);
    await parent?.close();
    return { kind: parent === undefined ? 'no-parent' : 'absent' };
  }
  try {
    return await inspectTree(tree);
  } catch (error) {
    return { kind: 'unreadable', reason: messageOf(error) };
  } finally {
    await tree.close();
  }
}

export interface NewBrick {
  readonly path: string;
  readonly label: BrickLabel;
  /**
   * Of the brick's root, and so of the pool's. 0700 keeps local users out of volumes of mode 0777; it is no hindrance to
   * those who have a volume mounted, as theirs is a bind of its directory. Undefined for a brick that has its label.
   */
  readonly mode: number | undefined;
}

/**
 * Turns an empty or missing directory into a brick; repeating it is harmless.
 * @throws KayalError FAILED_PRECONDITION when its filesystem cannot hold a brick
 */
export async function labelBrick(io: IoWorkers, { path, label, mode }: NewBrick): Promise<void> {
  if (mode !== undefined) {
    const parent = await Tree.open(io, bricksKey(label.pool), dirname(path));
    try {
      await parent.mkdir(basename(path), mode);
    } finally {
      await parent.close();
    }
  }
  const tree = await Tree.open(io, bricksKey(label.pool), path);
  try {
    // It may have been there, and empty, or the root of a filesystem.
    if (mode !== undefined) await tree.setOwnerAndMode('', { uid: 0, gid: 0, mode });
    await tree.mkdir(LABEL_HOLDER, 0o600);
    await tree.setXattr(LABEL_HOLDER, LABEL_XATTR, Buffer.from(JSON.stringify(label)));
    await tree.setXattr('', VOLUME_ID_XATTR, volumeIdBytes(label.volumeId));
  } catch (error) {
    if (!isErrno(error, 'EOPNOTSUPP', 'ENOTSUP')) throw error;
    throw failedPrecondition(`brick ${path}: its filesystem keeps no trusted extended attributes; use XFS or ext4`, {
      cause: error,
    });
  } finally {
    await tree.close();
  }
}
