/*
 * What nodes ask of the controller, which alone writes records and sets limits: files in `.kayal/requests`. It answers
 * with what it does, or with a refusal in the file.
 */
import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { KayalError, invalidArgument, messageOf, type ErrorCode } from '../../base/errors.js';
import type { Tree } from '../../linux/tree.js';
import { REQUESTS_DIRECTORY } from '../records/layout.js';

export const MAX_REQUEST_BYTES = 16 * 1024;
/** A node that asks again within this time gets the same refusal; after it the controller looks anew. */
const REFUSAL_LASTS_MS = 30_000;

/** Refusals that a node passes on; anything else is tried again by the controller itself. */
const REFUSALS = [
  'INVALID_ARGUMENT',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'OUT_OF_RANGE',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
] as const satisfies readonly ErrorCode[];

/** Bytes, decimal. */
const size = v.pipe(v.string(), v.regex(/^\d{1,19}$/));
const common = {
  size,
  /** ISO 8601, UTC. */
  requestedAt: v.string(),
  /** The controller's answer when it will not do it. */
  refused: v.optional(v.object({ code: v.picklist(REFUSALS), message: v.string(), at: v.string() })),
};
const importSchema = v.object({ kind: v.literal('import'), volumeHandle: v.string(), path: v.string(), ...common });
const inlineSchema = v.object({
  kind: v.literal('inline'),
  /** As kubelet calls it. */
  volumeId: v.string(),
  node: v.string(),
  podUid: v.string(),
  namespace: v.optional(v.string()),
  pod: v.optional(v.string()),
  /** Tells the volume that comes of this wish from any other one of its name. */
  token: v.string(),
  uid: v.number(),
  gid: v.number(),
  mode: v.number(),
  ...common,
});
const schema = v.variant('kind', [importSchema, inlineSchema]);

/** To take an existing directory over as a volume with a limit. */
export type ImportRequest = v.InferOutput<typeof importSchema>;
/** To make a volume for one pod of the node. */
export type InlineRequest = v.InferOutput<typeof inlineSchema>;
export type VolumeRequest = ImportRequest | InlineRequest;

/** Where a volume is asked for. Other requests have names that no volume's id can have. */
export function requestPath(id: string): string {
  return `${REQUESTS_DIRECTORY}/${id}.json`;
}

/** @throws KayalError INVALID_ARGUMENT when the file is not a request */
export function parseRequest(text: string): VolumeRequest {
  try {
    return v.parse(schema, JSON.parse(text));
  } catch (error) {
    throw invalidArgument(`the request is not understood: ${messageOf(error)}`, { cause: error });
  }
}

export function formatRequest(request: object): Buffer {
  return Buffer.from(`${JSON.stringify(request)}\n`);
}

/** The request with the controller's refusal; undefined for an error that may pass by itself. */
export function refuse(request: VolumeRequest, error: unknown): VolumeRequest | undefined {
  if (!(error instanceof KayalError)) return undefined;
  const code = REFUSALS.find((refusal) => refusal === error.code);
  return code && { ...request, refused: { code, message: error.message, at: new Date().toISOString() } };
}

/** True while a refusal stands. */
export function isRefused(request: VolumeRequest): boolean {
  return request.refused !== undefined && Date.now() - Date.parse(request.refused.at) < REFUSAL_LASTS_MS;
}

/** @throws KayalError the refusal, while it stands */
export function throwRefusal(request: VolumeRequest, what: string): void {
  if (request.refused === undefined || !isRefused(request)) return;
  throw new KayalError(request.refused.code, `${what}: ${request.refused.message}`);
}

/** What is asked for volume `id`; undefined when nothing is, or nothing that can be understood: it may be replaced. */
export async function readRequest(tree: Tree, id: string): Promise<VolumeRequest | undefined> {
  const data = await tree.readFile(requestPath(id), MAX_REQUEST_BYTES);
  try {
    return data && parseRequest(data.toString('utf8'));
  } catch {
    return undefined;
  }
}

/** A node's name as part of a file's. */
export function nodeTag(node: string): string {
  return createHash('sha256').update(node).digest('hex').slice(0, 16);
}

/** Writes a request of a node, in place of the one that is there. */
export async function writeRequest(tree: Tree, node: string, path: string, request: object): Promise<void> {
  const name = path.slice(REQUESTS_DIRECTORY.length + 1);
  await tree.mkdirs(REQUESTS_DIRECTORY, 0o700);
  // Two nodes that ask at the same time must not share a temporary file.
  await tree.replaceFile(`${REQUESTS_DIRECTORY}/.${name}.${nodeTag(node)}`, path, formatRequest(request));
}
