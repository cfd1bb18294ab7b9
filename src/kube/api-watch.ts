import { request } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { resourcePath, type ApiResource } from './api-resource.js';
import type { ApiServer } from './api-server.js';
import { createAgent } from './http-request.js';

export interface WatchOptions {
  readonly server: ApiServer;
  readonly resource: ApiResource;
  readonly labelSelector?: string | undefined;
  /** Something came, changed or went, or may have while nobody watched. */
  readonly onChange: () => void;
  readonly signal: AbortSignal;
}

/** The server ends a watch after that time; a connection that is dead without a word lasts no longer. */
const WATCH_SECONDS = 240;
const RETRY_MS = 5_000;

async function watchOnce(options: WatchOptions, agent: ReturnType<typeof createAgent>): Promise<void> {
  const { server, resource, labelSelector, onChange, signal } = options;
  const { ca, cert, key, token } = await server.credentials();
  const query = new URLSearchParams({ watch: '1', timeoutSeconds: String(WATCH_SECONDS) });
  if (labelSelector !== undefined) query.set('labelSelector', labelSelector);
  const path = `${server.url.pathname.replace(/\/$/, '')}${resourcePath(resource)}?${query.toString()}`;
  await new Promise<void>((resolve, reject) => {
    const sent = request(
      new URL(path, server.url),
      {
        agent,
        signal,
        ca,
        cert,
        key,
        ...(server.servername === undefined ? {} : { servername: server.servername }),
        rejectUnauthorized: !server.isInsecure,
        timeout: (WATCH_SECONDS + 30) * 1_000,
        headers: { accept: 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
      },
      (response) => {
        // What changed is looked up by whoever is told, all of it.
        response.on('data', onChange);
        response.on('end', resolve);
        response.on('error', reject);
      },
    );
    sent.on('timeout', () => sent.destroy(new Error('silent for too long')));
    sent.on('error', reject);
    sent.end();
  });
}

/**
 * Tells when objects of a kind change, until `signal` says to end. It only hastens what is done again and again anyhow: of
 * errors it tells nobody, and tries again.
 */
export async function watchForChanges(options: WatchOptions): Promise<void> {
  const { signal, onChange } = options;
  const agent = createAgent();
  try {
    while (!signal.aborted) {
      await watchOnce(options, agent).catch(() => sleep(RETRY_MS, undefined, { signal }).catch(() => undefined));
      onChange();
    }
  } finally {
    agent.destroy();
  }
}
