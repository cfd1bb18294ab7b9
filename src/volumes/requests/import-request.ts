import type { Tree } from '../../linux/tree.js';
import { readRequest, requestPath, throwRefusal, writeRequest, type ImportRequest } from './node-request.js';

export interface ImportWish {
  readonly id: string;
  readonly handle: string;
  readonly path: string;
  readonly size: bigint;
  readonly node: string;
}

/**
 * Asks the controller to take a directory over as volume `id`: it polls `.kayal/requests`, and answers with the
 * volume's record, or with a refusal in the request. Asking again replaces the request.
 * @throws KayalError the controller's refusal of this very request
 */
export async function requestImport(tree: Tree, wish: ImportWish): Promise<void> {
  const asked = await readRequest(tree, wish.id);
  if (asked?.kind === 'import' && asked.path === wish.path && asked.size === String(wish.size)) {
    throwRefusal(asked, `volume ${wish.handle} is not imported`);
  }
  const request: ImportRequest = {
    kind: 'import',
    volumeHandle: wish.handle,
    path: wish.path,
    size: String(wish.size),
    requestedAt: new Date().toISOString(),
  };
  await writeRequest(tree, wish.node, requestPath(wish.id), request);
}
