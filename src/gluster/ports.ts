import { randomInt } from 'node:crypto';
import { connect, createServer } from 'node:net';
import { exhausted } from '../base/errors.js';

/**
 * Ports for bricks: outside of the range that the kernel gives to outgoing connections (32768…), which a brick that
 * starts again could find taken, of Kubernetes' node ports (30000…) and of glusterd (24007, 24008).
 */
const FIRST_PORT = 24_100;
const LAST_PORT = 24_999;

/** True when nobody listens on the port. */
export function isPortFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/**
 * A port that nobody listens on, and that is not in `taken`.
 * @throws KayalError RESOURCE_EXHAUSTED when there is none
 */
export async function chooseBrickPort(host: string, taken: ReadonlySet<number>): Promise<number> {
  const count = LAST_PORT - FIRST_PORT + 1;
  const start = randomInt(count);
  for (let step = 0; step < count; step++) {
    const port = FIRST_PORT + ((start + step) % count);
    if (!taken.has(port) && (await isPortFree(host, port))) return port;
  }
  throw exhausted(`no port between ${FIRST_PORT} and ${LAST_PORT} is free on ${host}`);
}

/** True when something accepts connections there. */
export function isListening(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1_000, () => end(false));
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}
