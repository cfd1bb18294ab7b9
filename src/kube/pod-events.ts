import { randomBytes } from 'node:crypto';
import { messageOf } from '../base/errors.js';
import { Limiter } from '../base/limiter.js';
import type { Logger } from '../base/logger.js';
import { DRIVER_NAME } from '../base/version.js';
import type { ApiClient } from './api-client.js';

export interface PodReference {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface PodEvent {
  readonly type: 'Normal' | 'Warning';
  /** One word in CamelCase, for programs. */
  readonly reason: string;
  /** For people; at most 1 KiB. */
  readonly message: string;
}

export interface PodEventsOptions {
  readonly client: ApiClient;
  readonly node: string;
  readonly log: Logger;
}

/** The same is not said of a pod twice within this time: a client that dies again and again is one piece of news. */
const REPEATED_AFTER_MS = 60_000;
const AT_ONCE = 4;
/** Names of objects are at most 253 long (Kubernetes docs, "Object Names and IDs"). */
const MAX_POD_NAME = 230;

/** Events that `kubectl describe pod` shows. They are sent on a best-effort basis, and waited for by nobody. */
export class PodEvents {
  readonly #options: PodEventsOptions;
  readonly #limiter = new Limiter(AT_ONCE);
  readonly #told = new Map<string, number>();
  #problem: string | undefined;

  constructor(options: PodEventsOptions) {
    this.#options = options;
  }

  /** Tells each of the pods; returns at once. */
  tell(pods: readonly PodReference[], event: PodEvent): void {
    const now = performance.now();
    for (const [key, at] of this.#told) if (now - at > REPEATED_AFTER_MS) this.#told.delete(key);
    for (const pod of pods) {
      const key = `${pod.uid} ${event.reason}`;
      if (this.#told.has(key)) continue;
      this.#told.set(key, now);
      void this.#limiter.run(() => this.#send(pod, event));
    }
  }

  async #send(pod: PodReference, event: PodEvent): Promise<void> {
    const { client, node, log } = this.#options;
    const { namespace, name, uid } = pod;
    const at = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
    try {
      await client.create(
        { group: '', version: 'v1', resource: 'events', namespace },
        {
          apiVersion: 'v1',
          kind: 'Event',
          metadata: { name: `${name.slice(0, MAX_POD_NAME)}.${randomBytes(8).toString('hex')}`, namespace },
          involvedObject: { apiVersion: 'v1', kind: 'Pod', namespace, name, uid },
          ...event,
          firstTimestamp: at,
          lastTimestamp: at,
          count: 1,
          source: { component: DRIVER_NAME, host: node },
          reportingComponent: DRIVER_NAME,
          reportingInstance: node,
        },
      );
      this.#problem = undefined;
    } catch (error) {
      const problem = messageOf(error);
      // The same for each pod of a node is worth one line.
      if (problem !== this.#problem) log.warn({ error: problem }, 'pods cannot be told what happens to their volumes');
      this.#problem = problem;
    }
  }
}
