import { failedPrecondition } from '../../base/errors.js';
import type { Tree } from '../../linux/tree.js';
import { formatHandle } from '../records/handle.js';
import type { VolumeRecord } from '../records/record.js';
import { currentImage } from './image-lease.js';

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
  const image = record.type === 'directory' ? undefined : await currentImage(tree, record);
  const holder = image?.holder;
  const { revoked } = record;
  if (holder === undefined || (holder.node === revoked?.node && image?.epoch === revoked.epoch)) return;
  throw failedPrecondition(
    `volume ${handle} is in use by node ${holder.node} since ${holder.since}: delete the pods that use it first; ` +
      `if that node is lost, run "kayal volume release ${handle} --node ${holder.node}"`,
  );
}
