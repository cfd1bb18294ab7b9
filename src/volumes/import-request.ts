import { createHash } from 'node:crypto';
import type { Tree } from '../linux/tree.js';
import { REQUESTS_DIRECTORY } from './layout.js';

/** What a node asks of the controller, which alone sets limits and writes records. */
export interface ImportRequest {
  readonly kind: 'import';
  readonly volumeHandle: string;
  readonly path: string;
  /** Bytes, decimal. */
  readonly size: string;
  /** ISO 8601, UTC. */
  readonly requestedAt: string;
}

/**
 * Asks the controller to take a directory over as volume `id`: it polls `.kayal/requests`, and answers with the
 * volume's record. Asking again replaces the request.
 * @param node keeps two nodes that ask at the same time from sharing a temporary file
 */
export async function requestImport(
  tree: Tree,
  options: {
    readonly id: string;
    readonly handle: string;
    readonly path: string;
    readonly size: bigint;
    readonly node: string;
  },
): Promise<void> {
  const request: ImportRequest = {
    kind: 'import',
    volumeHandle: options.handle,
    path: options.path,
    size: String(options.size),
    requestedAt: new Date().toISOString(),
  };
  const node = createHash('sha256').update(options.node).digest('hex').slice(0, 16);
  await tree.mkdirs(REQUESTS_DIRECTORY, 0o700);
  await tree.replaceFile(
    `${REQUESTS_DIRECTORY}/.${options.id}.${node}`,
    `${REQUESTS_DIRECTORY}/${options.id}.json`,
    Buffer.from(`${JSON.stringify(request)}\n`),
  );
}
