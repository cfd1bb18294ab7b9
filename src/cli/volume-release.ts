import { KayalError, invalidArgument, notFound } from '../base/errors.js';
import { heldTurn } from '../volumes/leases/hybrid-turn.js';
import { currentImage } from '../volumes/leases/image-lease.js';
import { formatHandle, parseHandle } from '../volumes/records/handle.js';
import { readRecord, type VolumeRecord } from '../volumes/records/record.js';
import { isImage } from '../volumes/requests/volume-shape.js';
import type { Tree } from '../linux/tree.js';
import type { Outcome } from './config-check.js';
import type { Settings } from './flags.js';
import { asHolder } from './holder.js';
import { poolNamed, withToolPools } from './tool-pools.js';

interface Wish {
  readonly handle: string;
  readonly node: string;
  readonly yes: boolean;
}

/** What the node has of the volume, for people. */
async function useOf(tree: Tree, record: VolumeRecord, node: string): Promise<string> {
  const attachment = record.attachments?.find((entry) => entry.node === node);
  const holder =
    record.type === 'hybrid'
      ? (await heldTurn(tree, record.id))?.holder
      : isImage(record)
        ? (await currentImage(tree, record))?.holder
        : undefined;
  const parts = [
    ...(attachment === undefined ? [] : [`attached to it since ${attachment.since}`]),
    ...(holder?.node === node ? [`in use there since ${holder.since}`] : []),
  ];
  return parts.length === 0 ? 'neither attached to it nor in use there, as far as is known' : parts.join(', ');
}

/** `kayal volume release POOL/ID --node NODE`: takes a volume away from a node that is lost. */
export async function releaseVolume(settings: Settings, { handle, node, yes }: Wish): Promise<Outcome> {
  const parsed = parseHandle(handle);
  if (parsed === undefined) throw invalidArgument(`${handle} is not POOL/ID: take what "kayal volumes" shows`);
  return withToolPools(settings, async (tools) => {
    const pool = poolNamed(tools.runtime, parsed.pool);
    const { tree } = await tools.control.attach(pool);
    const record = await readRecord(tree, parsed.id);
    if (record === undefined) throw notFound(`volume ${handle} does not exist`);
    if (!yes) {
      const text =
        `volume ${formatHandle(record)} would be taken away from node ${node} (${await useOf(tree, record, node)}): what that ` +
        `node has not written yet would be lost; say --yes to do it\n`;
      return { exitCode: 1, text };
    }
    for (let again = false; ; again = true) {
      try {
        const done = await asHolder(tools, pool, { kind: 'release', id: parsed.id, node, again });
        return { exitCode: 0, text: `${done.join('\n')}\n` };
      } catch (error) {
        if (!(error instanceof KayalError) || error.code !== 'ABORTED') throw error;
        process.stderr.write(`kayal: ${error.message}\n`);
      }
    }
  });
}
