import { failedPrecondition, type KayalError } from '../../base/errors.js';
import type { Tree } from '../../linux/tree.js';
import { formatHandle } from '../records/handle.js';
import type { VolumeRecord } from '../records/record.js';
import { heldTurn } from './hybrid-turn.js';
import { currentImage, type ImageHolder } from './image-lease.js';

/**
 * Refuses while a node may use the volume, as far as a record and a lease tell. A node whose use was ended by force does
 * not count: what it still writes goes where the volume's data goes.
 * @param attach whether nodes have to be attached, so that attachments mean something
 * @throws KayalError FAILED_PRECONDITION naming the node
 */
export async function assertNotInUse(
  tree: Tree,
  record: VolumeRecord,
  { attach }: { readonly attach: boolean },
): Promise<void> {
  const handle = formatHandle(record);
  const nodes = attach ? (record.attachments ?? []).map(({ node }) => node) : [];
  if (nodes.length > 0) {
    throw failedPrecondition(`volume ${handle} is attached to ${nodes.join(', ')}: delete the pods that use it first`);
  }
  if (record.type === 'hybrid') {
    const held = await heldTurn(tree, record.id);
    if (held !== undefined) throw inUse(handle, held.holder);
    return;
  }
  const image = record.type === 'directory' ? undefined : await currentImage(tree, record);
  const holder = image?.holder;
  const { revoked } = record;
  if (holder === undefined || (holder.node === revoked?.node && image?.epoch === revoked.epoch)) return;
  throw inUse(handle, holder);
}

function inUse(handle: string, { node, since }: ImageHolder): KayalError {
  return failedPrecondition(
    `volume ${handle} is in use by node ${node} since ${since}: delete the pods that use it first; ` +
      `if that node is lost, run "kayal volume release ${handle} --node ${node}"`,
  );
}
