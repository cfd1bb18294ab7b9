/** What a thread of IoWorkers is asked. */
export interface IoRequest {
  readonly op: string;
  readonly args: readonly unknown[];
}

/** What it answers: exactly one for each request, in order. */
export type IoResponse =
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'failed'; readonly code: string; readonly call: string; readonly path: string }
  | { readonly kind: 'broken'; readonly message: string };

/** What it says: that it is ready, once and before anything else, and then its answers. */
export type IoMessage = IoResponse | { readonly kind: 'ready' };
