import { randomUUID } from 'node:crypto';
import * as v from 'valibot';
import type { Tree } from '../../linux/tree.js';
import { REQUESTS_DIRECTORY } from '../records/layout.js';
import {
  isRefused,
  nodeTag,
  readRequest,
  requestPath,
  throwRefusal,
  writeRequest,
  type InlineRequest,
} from './node-request.js';

/** What a pod asks for, with what kubelet says of it. */
export interface InlineWish {
  readonly id: string;
  readonly handle: string;
  readonly volumeId: string;
  readonly node: string;
  readonly podUid: string;
  readonly namespace?: string | undefined;
  readonly pod?: string | undefined;
  readonly size: bigint;
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

function isSameWish(asked: InlineRequest, wish: InlineWish): boolean {
  return (
    asked.podUid === wish.podUid &&
    asked.node === wish.node &&
    asked.size === String(wish.size) &&
    asked.uid === wish.uid &&
    asked.gid === wish.gid &&
    asked.mode === wish.mode
  );
}

/**
 * Asks the controller for an inline volume. It answers with the volume's record, or with a refusal in the request; asking
 * again while it is at it changes nothing.
 * @throws KayalError the controller's refusal of this very wish
 */
export async function requestInline(tree: Tree, wish: InlineWish): Promise<void> {
  const asked = await readRequest(tree, wish.id);
  if (asked?.kind === 'inline' && isSameWish(asked, wish)) {
    throwRefusal(asked, `inline volume ${wish.handle} is not made`);
    if (asked.refused === undefined) return;
  }
  const { id, handle: _, size, ...rest } = wish;
  const request: InlineRequest = {
    kind: 'inline',
    ...rest,
    token: randomUUID(),
    size: String(size),
    requestedAt: new Date().toISOString(),
  };
  await writeRequest(tree, wish.node, requestPath(id), request);
}

/** @throws KayalError the controller's refusal, when there is one by now */
export async function checkRefusal(tree: Tree, { id, handle }: InlineWish): Promise<void> {
  const asked = await readRequest(tree, id);
  if (asked !== undefined && isRefused(asked)) throwRefusal(asked, `inline volume ${handle} is not made`);
}

const releaseSchema = v.object({
  node: v.string(),
  /** Of the volume that is meant; absent: there was none yet, and only the wish is taken back. */
  token: v.optional(v.string()),
});
export type ReleaseRequest = v.InferOutput<typeof releaseSchema>;

/** `~` is in no volume's id. */
export function releasePath(id: string): string {
  return `${REQUESTS_DIRECTORY}/release~${id}.json`;
}

/** Tells the controller that nobody uses the inline volume any more. */
export async function requestRelease(tree: Tree, id: string, request: ReleaseRequest): Promise<void> {
  await writeRequest(tree, request.node, releasePath(id), request);
}

const inventorySchema = v.object({
  node: v.string(),
  /** Ids of the node's inline volumes that have a record; by the controller, at `at` (ISO 8601, UTC). */
  answer: v.optional(v.object({ ids: v.array(v.string()), at: v.string() })),
});
export type InventoryRequest = v.InferOutput<typeof inventorySchema>;

export function inventoryPath(node: string): string {
  return `${REQUESTS_DIRECTORY}/inventory~${nodeTag(node)}.json`;
}

function parseAs<T>(schema: v.GenericSchema<unknown, T>, text: string): T | undefined {
  try {
    return v.parse(schema, JSON.parse(text));
  } catch {
    return undefined;
  }
}

export function parseRelease(text: string): ReleaseRequest | undefined {
  return parseAs(releaseSchema, text);
}

export function parseInventory(text: string): InventoryRequest | undefined {
  return parseAs(inventorySchema, text);
}
