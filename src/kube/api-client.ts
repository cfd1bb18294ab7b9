import type { Agent } from 'node:https';
import * as v from 'valibot';
import { failedPrecondition, unavailable } from '../base/errors.js';
import { apiError } from './api-error.js';
import { resourcePath, type ApiResource } from './api-resource.js';
import type { ApiServer } from './api-server.js';
import { createAgent, httpRequest } from './http-request.js';

export interface ListOptions {
  readonly fieldSelector?: string | undefined;
  readonly labelSelector?: string | undefined;
}

export interface ApiClientOptions {
  /** For each request, not for a list of many pages. */
  readonly deadlineMs?: number;
  /** Objects in one answer. */
  readonly pageSize?: number;
}

const DEADLINE_MS = 15_000;
/** What kubectl asks for. */
const PAGE_SIZE = 500;
/** A list is begun again when its continue token is too old (410 Gone), which takes minutes. */
const LIST_ATTEMPTS = 3;

const PageSchema = v.object({
  metadata: v.optional(v.object({ continue: v.optional(v.string(), '') }), {}),
  items: v.nullable(v.array(v.unknown()), []),
});

const isGone = (status: number): boolean => status === 410;

interface ListOnce<T extends v.GenericSchema> {
  readonly resource: ApiResource;
  readonly schema: T;
  readonly selectors: Readonly<Record<string, string>>;
  readonly isLast: boolean;
}

/** Reads and makes objects of a Kubernetes API server; what an object must look like says the caller's schema. */
export class ApiClient {
  readonly #server: ApiServer;
  readonly #deadlineMs: number;
  readonly #pageSize: number;
  readonly #agent: Agent = createAgent();

  constructor(server: ApiServer, { deadlineMs = DEADLINE_MS, pageSize = PAGE_SIZE }: ApiClientOptions = {}) {
    this.#server = server;
    this.#deadlineMs = deadlineMs;
    this.#pageSize = pageSize;
  }

  /**
   * One object.
   * @throws KayalError NOT_FOUND; FAILED_PRECONDITION when the server does not let us, with the rule that is missing, or
   *   answers with something else; UNAVAILABLE
   */
  async get<T extends v.GenericSchema>(resource: ApiResource, name: string, schema: T): Promise<v.InferOutput<T>> {
    const path = resourcePath(resource, name);
    const { status, body } = await this.#get(path);
    if (status !== 200) throw apiError({ status, body, verb: 'get', resource, name, server: this.#server });
    return this.#parse(path, schema, body);
  }

  /**
   * Makes an object.
   * @throws KayalError as `get` does; INVALID_ARGUMENT when the server does not want it, or has one of this name
   */
  async create(resource: ApiResource, object: object): Promise<void> {
    const question = { path: resourcePath(resource), deadlineMs: this.#deadlineMs, body: JSON.stringify(object) };
    const { status, body } = await httpRequest(this.#server, this.#agent, question);
    if (status !== 201) throw apiError({ status, body, verb: 'create', resource, server: this.#server });
  }

  /**
   * Every object of a kind, page by page. Objects that come and go meanwhile may be missing: the pages are of one
   * moment, unless the server forgot it, when the list is begun again.
   * @throws KayalError as `get` does
   */
  async list<T extends v.GenericSchema>(
    resource: ApiResource,
    schema: T,
    { fieldSelector, labelSelector }: ListOptions = {},
  ): Promise<v.InferOutput<T>[]> {
    const selectors = {
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
      ...(labelSelector === undefined ? {} : { labelSelector }),
    };
    for (let attempt = 1; ; attempt++) {
      const objects = await this.#listOnce({ resource, schema, selectors, isLast: attempt === LIST_ATTEMPTS });
      if (objects !== undefined) return objects;
    }
  }

  /** Undefined when the server has forgotten the moment that the pages are of; an error instead when `isLast`. */
  async #listOnce<T extends v.GenericSchema>({
    resource,
    schema,
    selectors,
    isLast,
  }: ListOnce<T>): Promise<v.InferOutput<T>[] | undefined> {
    const objects: v.InferOutput<T>[] = [];
    let token = '';
    do {
      const query = new URLSearchParams({ limit: `${this.#pageSize}`, ...selectors });
      if (token !== '') query.set('continue', token);
      const path = `${resourcePath(resource)}?${query.toString()}`;
      const { status, body } = await this.#get(path);
      if (isGone(status) && !isLast) return undefined;
      if (status !== 200) throw apiError({ status, body, verb: 'list', resource, server: this.#server });
      const page = this.#parse(path, PageSchema, body);
      for (const item of page.items) objects.push(this.#check(path, schema, item));
      token = page.metadata.continue;
    } while (token !== '');
    return objects;
  }

  /** Ends its connections. */
  close(): void {
    this.#agent.destroy();
  }

  #get(path: string): ReturnType<typeof httpRequest> {
    return httpRequest(this.#server, this.#agent, { path, deadlineMs: this.#deadlineMs });
  }

  #parse<T extends v.GenericSchema>(path: string, schema: T, body: string): v.InferOutput<T> {
    let value: unknown;
    try {
      value = JSON.parse(body);
    } catch (error) {
      throw unavailable(`${this.#server.url.origin}${path} answers with something that is not JSON`, { cause: error });
    }
    return this.#check(path, schema, value);
  }

  #check<T extends v.GenericSchema>(path: string, schema: T, value: unknown): v.InferOutput<T> {
    const result = v.safeParse(schema, value);
    if (result.success) return result.output;
    const [issue] = result.issues;
    throw failedPrecondition(
      `${this.#server.url.origin}${path} answers with an object that is not understood: ` +
        `${v.getDotPath(issue) ?? 'it'}: ${issue.message}`,
    );
  }
}
