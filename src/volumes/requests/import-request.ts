import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { KayalError, invalidArgument, messageOf, type ErrorCode } from '../../base/errors.js';
import type { Tree } from '../../linux/tree.js';
import { REQUESTS_DIRECTORY } from '../records/layout.js';

const MAX_REQUEST_BYTES = 16 * 1024;
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

const schema = v.object({
  kind: v.literal('import'),
  volumeHandle: v.string(),
  path: v.string(),
  /** Bytes, decimal. */
  size: v.pipe(v.string(), v.regex(/^\d{1,19}$/)),
  /** ISO 8601, UTC. */
  requestedAt: v.string(),
  /** The controller's answer when it will not do it. */
  refused: v.optional(v.object({ code: v.picklist(REFUSALS), message: v.string(), at: v.string() })),
});

/** What a node asks of the controller, which alone sets limits and writes records. */
export type ImportRequest = v.InferOutput<typeof schema>;

export function requestPath(id: string): string {
  return `${REQUESTS_DIRECTORY}/${id}.json`;
}

/** @throws KayalError INVALID_ARGUMENT when the file is not a request */
export function parseImportRequest(text: string): ImportRequest {
  try {
    return v.parse(schema, JSON.parse(text));
  } catch (error) {
    throw invalidArgument(`the request is not understood: ${messageOf(error)}`, { cause: error });
  }
}

export function formatImportRequest(request: ImportRequest): Buffer {
  return Buffer.from(`${JSON.stringify(request)}\n`);
}

/** The request with the controller's refusal; undefined for an error that may pass by itself. */
export function refuse(request: ImportRequest, error: unknown): ImportRequest | undefined {
  if (!(error instanceof KayalError)) return undefined;
  const code = REFUSALS.find((refusal) => refusal === error.code);
  return code && { ...request, refused: { code, message: error.message, at: new Date().toISOString() } };
}

/** True while a refusal stands. */
export function isRefused(request: ImportRequest): boolean {
  return request.refused !== undefined && Date.now() - Date.parse(request.refused.at) < REFUSAL_LASTS_MS;
}

export interface ImportWish {
  readonly id: string;
  readonly handle: string;
  readonly path: string;
  readonly size: bigint;
  /** Keeps two nodes that ask at the same time from sharing a temporary file. */
  readonly node: string;
}

/**
 * Asks the controller to take a directory over as volume `id`: it polls `.kayal/requests`, and answers with the
 * volume's record, or with a refusal in the request. Asking again replaces the request.
 * @throws KayalError the controller's refusal of this very request
 */
export async function requestImport(tree: Tree, wish: ImportWish): Promise<void> {
  const asked = await readRequest(tree, wish.id);
  const isSame = asked?.path === wish.path && asked.size === String(wish.size);
  if (isSame && asked.refused !== undefined && isRefused(asked)) {
    throw new KayalError(asked.refused.code, `volume ${wish.handle} is not imported: ${asked.refused.message}`);
  }
  const request: ImportRequest = {
    kind: 'import',
    volumeHandle: wish.handle,
    path: wish.path,
    size: String(wish.size),
    requestedAt: new Date().toISOString(),
  };
  const node = createHash('sha256').update(wish.node).digest('hex').slice(0, 16);
  await tree.mkdirs(REQUESTS_DIRECTORY, 0o700);
  await tree.replaceFile(
    `${REQUESTS_DIRECTORY}/.${wish.id}.${node}`,
    requestPath(wish.id),
    formatImportRequest(request),
  );
}

async function readRequest(tree: Tree, id: string): Promise<ImportRequest | undefined> {
  const data = await tree.readFile(requestPath(id), MAX_REQUEST_BYTES);
  try {
    return data && parseImportRequest(data.toString('utf8'));
  } catch {
    // Whatever it is, the new request takes its place.
    return undefined;
  }
}
