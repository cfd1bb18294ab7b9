import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';
import { KayalError, messageOf } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { ApiClient } from './api-client.js';
import type { ApiResource } from './api-resource.js';
import type { ApiWriter } from './api-writer.js';
import { ifThere } from './if-there.js';

export interface LeaderOptions {
  readonly client: ApiClient;
  readonly writer: ApiWriter;
  /** Leases of the namespace. */
  readonly resource: ApiResource;
  readonly name: string;
  /** Different for each process. */
  readonly identity: string;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** A lease that was not renewed for so long is nobody's; default 30 s. */
  readonly durationMs?: number | undefined;
}

const DURATION_MS = 30_000;
/** A holder renews so many times before others take its lease. */
const RENEWALS = 3;

const leaseSchema = v.object({
  metadata: v.object({ name: v.string(), resourceVersion: v.string() }),
  spec: v.optional(
    v.object({
      holderIdentity: v.optional(v.nullable(v.string()), ''),
      leaseTransitions: v.optional(v.nullable(v.number()), 0),
      acquireTime: v.optional(v.nullable(v.string())),
    }),
    {},
  ),
});
type Lease = v.InferOutput<typeof leaseSchema>;

/** RFC 3339 with microseconds, which Kubernetes' MicroTime wants. */
const microTime = (): string => new Date().toISOString().replace('Z', '000Z');

/** One of several processes at a time, by a Lease object as client-go's leader election uses it. */
export class Leader {
  readonly #options: LeaderOptions;
  readonly #durationMs: number;
  /** The lease as it was seen last, and since when it is so; clocks of other machines are not trusted. */
  #seen: { readonly version: string; readonly since: number } | undefined;

  constructor(options: LeaderOptions) {
    this.#options = options;
    this.#durationMs = options.durationMs ?? DURATION_MS;
  }

  /**
   * Waits until the lease is ours, does the work, and keeps the lease meanwhile. The signal that the work is given says that it
   * must end: we are to end, or the lease is lost. Gives the lease up afterwards.
   */
  async lead(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const { signal, log, name } = this.#options;
    while (!(await this.#take())) {
      if (signal.aborted) return;
      await this.#pause(signal);
    }
    log.info({ lease: name }, 'leading');
    const lost = new AbortController();
    const ended = new AbortController();
    const keeping = this.#keep(lost, ended.signal);
    try {
      await work(AbortSignal.any([signal, lost.signal]));
    } finally {
      ended.abort();
      await keeping;
      if (!lost.signal.aborted) await this.#giveUp();
    }
  }

  async #pause(signal: AbortSignal): Promise<void> {
    await sleep(this.#durationMs / RENEWALS, undefined, { signal }).catch(() => undefined);
  }

  async #keep(lost: AbortController, ended: AbortSignal): Promise<void> {
    let renewed = performance.now();
    for (;;) {
      await this.#pause(ended);
      if (ended.aborted) return;
      if (await this.#take()) renewed = performance.now();
      // Before anybody else may take it.
      else if (performance.now() - renewed > (this.#durationMs * (RENEWALS - 1)) / RENEWALS) {
        this.#options.log.error({ lease: this.#options.name }, 'the lease could not be renewed: not leading any more');
        lost.abort();
        return;
      }
    }
  }

  #read(): Promise<Lease | undefined> {
    const { client, resource, name } = this.#options;
    return ifThere(client.get(resource, name, leaseSchema));
  }

  /** Takes or renews it. False: it is somebody else's, or could not be asked for. */
  async #take(): Promise<boolean> {
    const { identity, log } = this.#options;
    try {
      const lease = await this.#read();
      if (lease !== undefined && !this.#isFree(lease, identity)) return false;
      await this.#write(lease, identity);
      return true;
    } catch (error) {
      const isRace = error instanceof KayalError && error.code === 'ABORTED';
      if (!isRace) log.warn({ error: messageOf(error) }, 'the lease could not be taken');
      return false;
    }
  }

  #isFree({ metadata, spec }: Lease, identity: string): boolean {
    if (spec.holderIdentity === identity || (spec.holderIdentity ?? '') === '') return true;
    const version = metadata.resourceVersion;
    if (this.#seen?.version !== version) this.#seen = { version, since: performance.now() };
    return performance.now() - this.#seen.since > this.#durationMs;
  }

  async #write(lease: Lease | undefined, holderIdentity: string): Promise<void> {
    const { writer, resource, name } = this.#options;
    const isRenewal = lease?.spec.holderIdentity === holderIdentity;
    const now = microTime();
    const transitions = lease?.spec.leaseTransitions ?? 0;
    const spec = {
      holderIdentity,
      leaseDurationSeconds: Math.ceil(this.#durationMs / 1_000),
      renewTime: now,
      acquireTime: isRenewal ? (lease.spec.acquireTime ?? now) : now,
      leaseTransitions: lease === undefined || isRenewal ? transitions : transitions + 1,
    };
    const object = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' };
    const metadata = { name, namespace: resource.namespace };
    if (lease === undefined) await writer.create(resource, { ...object, metadata, spec });
    else {
      const { resourceVersion } = lease.metadata;
      await writer.replace(resource, { ...object, metadata: { ...metadata, resourceVersion }, spec });
    }
  }

  async #giveUp(): Promise<void> {
    try {
      const lease = await this.#read();
      if (lease?.spec.holderIdentity === this.#options.identity) await this.#write(lease, '');
    } catch (error) {
      this.#options.log.debug({ error: messageOf(error) }, 'the lease was not given up; it expires');
    }
  }
}
