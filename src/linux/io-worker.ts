/*
 * The entry of an io worker: a thread that makes system calls which may hang, one request at a time. It has no state,
 * so that it can be given up and replaced at any moment.
 */
import { parentPort } from 'node:worker_threads';
import { SystemError } from '../base/errors.js';
import { addFaultPointsIfAsked } from './fault-points.js';
import type { IoMessage, IoRequest, IoResponse } from './io-messages.js';
import { LostThreadError } from './operations/namespace.js';
import { operations } from './operations.js';
import { sys } from './sys.js';

const byName = new Map<string, unknown>(Object.entries(operations));

function answer({ op, args }: IoRequest): IoResponse {
  const operation = byName.get(op);
  if (typeof operation !== 'function') {
    return { kind: 'broken', message: `the io worker knows no operation "${op}": is dist/ older than the sources?` };
  }
  try {
    return { kind: 'value', value: Reflect.apply(operation, undefined, args) };
  } catch (error) {
    // It ends this thread, and no other call ever runs in it.
    if (error instanceof LostThreadError) throw error;
    if (error instanceof SystemError) {
      return { kind: 'failed', code: error.code, call: error.call, path: error.path };
    }
    return { kind: 'broken', message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

addFaultPointsIfAsked(sys);

const port = parentPort;
if (port === null) throw new Error('io-worker.js runs in a worker thread only');
port.on('message', (request: IoRequest) => {
  port.postMessage(answer(request));
});
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
port.postMessage({ kind: 'ready' } satisfies IoMessage);
