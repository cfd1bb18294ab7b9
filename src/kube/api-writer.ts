import type { Agent } from 'node:https';
import { aborted } from '../base/errors.js';
import { apiError, type ApiFailure } from './api-error.js';
import { resourcePath, type ApiResource } from './api-resource.js';
import type { ApiServer } from './api-server.js';
import { createAgent, httpRequest, type HttpAnswer } from './http-request.js';

const DEADLINE_MS = 15_000;
/** Server-side apply; JSON is YAML (Kubernetes API concepts, "Patch and apply"). */
const APPLY = 'application/apply-patch+yaml';

export interface ApplyOptions {
  /** Who owns the fields that are set; it takes them from others. */
  readonly fieldManager: string;
  /** `status`, for that part of an object. */
  readonly subresource?: 'status' | undefined;
  /** The server checks it, and changes nothing. */
  readonly dryRun?: boolean | undefined;
}

/** An object as it is sent. */
export interface ApiObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string | undefined;
    readonly [key: string]: unknown;
  };
  readonly [key: string]: unknown;
}

/** Changes objects of a Kubernetes API server. */
export class ApiWriter {
  readonly #server: ApiServer;
  readonly #agent: Agent = createAgent();

  constructor(server: ApiServer) {
    this.#server = server;
  }

  /**
   * Makes the object, or makes the fields that it has so in the one that is there; fields that the same manager set before and
   * does not set now go.
   * @returns the object as it is then
   * @throws KayalError INVALID_ARGUMENT with the server's words when it does not want it, FAILED_PRECONDITION when we may not,
   *   UNAVAILABLE
   */
  async apply(resource: ApiResource, object: ApiObject, options: ApplyOptions): Promise<unknown> {
    const { fieldManager, subresource, dryRun } = options;
    const { name } = object.metadata;
    const query = new URLSearchParams({ fieldManager, force: 'true', fieldValidation: 'Strict' });
    if (dryRun === true) query.set('dryRun', 'All');
    const path = `${pathOf(resource, name, subresource)}?${query.toString()}`;
    const answer = await this.#send('PATCH', path, object, APPLY);
    if (answer.status !== 200 && answer.status !== 201) throw this.#error(answer, { verb: 'patch', resource, name });
    return JSON.parse(answer.body) as unknown;
  }

  /**
   * Replaces the whole object; its resourceVersion says which one.
   * @throws KayalError ABORTED when somebody changed it meanwhile, else as apply does
   */
  async replace(resource: ApiResource, object: ApiObject): Promise<unknown> {
    const { name } = object.metadata;
    const answer = await this.#send('PUT', pathOf(resource, name), object);
    if (answer.status === 409) throw aborted(`${resource.resource} ${name} was changed by somebody else meanwhile`);
    if (answer.status !== 200) throw this.#error(answer, { verb: 'update', resource, name });
    return JSON.parse(answer.body) as unknown;
  }

  /** Makes an object. @throws KayalError ABORTED when there is one of that name, else as apply does */
  async create(resource: ApiResource, object: ApiObject): Promise<unknown> {
    const answer = await this.#send(undefined, resourcePath(resource), object);
    const { name } = object.metadata;
    if (answer.status === 409) throw aborted(`${resource.resource} ${name} is there already`);
    if (answer.status !== 201) throw this.#error(answer, { verb: 'create', resource, name });
    return JSON.parse(answer.body) as unknown;
  }

  /** JSON merge patch (RFC 7386). @throws KayalError as apply does; NOT_FOUND */
  async merge(resource: ApiResource, name: string, patch: object): Promise<unknown> {
    const answer = await this.#send('PATCH', pathOf(resource, name), patch, 'application/merge-patch+json');
    if (answer.status === 409) throw aborted(`${resource.resource} ${name} was changed by somebody else meanwhile`);
    if (answer.status !== 200) throw this.#error(answer, { verb: 'patch', resource, name });
    return JSON.parse(answer.body) as unknown;
  }

  /** Asks for an object's end; false: it is not there. @throws KayalError as apply does */
  async delete(resource: ApiResource, name: string): Promise<boolean> {
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Background' };
    const answer = await this.#send('DELETE', pathOf(resource, name), body);
    if (answer.status === 404) return false;
    if (answer.status !== 200 && answer.status !== 202) throw this.#error(answer, { verb: 'delete', resource, name });
    return true;
  }

  /** Ends its connections. */
  close(): void {
    this.#agent.destroy();
  }

  #send(
    method: 'DELETE' | 'PATCH' | 'PUT' | undefined,
    path: string,
    body: object,
    contentType?: string,
  ): Promise<HttpAnswer> {
    const question = { path, method, contentType, deadlineMs: DEADLINE_MS, body: JSON.stringify(body) };
    return httpRequest(this.#server, this.#agent, question);
  }

  #error({ status, body }: HttpAnswer, about: Pick<ApiFailure, 'verb' | 'resource' | 'name'>): Error {
    return apiError({ status, body, server: this.#server, ...about });
  }
}

function pathOf(resource: ApiResource, name: string, subresource?: string): string {
  return `${resourcePath(resource, name)}${subresource === undefined ? '' : `/${subresource}`}`;
}
