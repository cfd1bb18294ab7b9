import * as v from 'valibot';
import { failedPrecondition, invalidArgument, notFound, unavailable, type KayalError } from '../base/errors.js';
import type { ApiResource } from './api-resource.js';
import type { ApiServer } from './api-server.js';

/** The body of an answer that is no success (Kubernetes API conventions, "Response Status Kind"). */
const StatusSchema = v.object({ kind: v.literal('Status'), message: v.optional(v.string(), '') });

function messageIn(body: string): string {
  try {
    const result = v.safeParse(StatusSchema, JSON.parse(body));
    if (result.success && result.output.message !== '') return `: ${result.output.message}`;
  } catch {
    // A proxy's page says nothing that its status does not say.
  }
  return '';
}

export interface ApiFailure {
  readonly status: number;
  readonly body: string;
  readonly verb: 'get' | 'list' | 'create' | 'patch' | 'update' | 'delete';
  readonly resource: ApiResource;
  readonly name?: string | undefined;
  readonly server: ApiServer;
}

/** What an answer that is no success means to the caller. */
export function apiError({ status, body, verb, resource, name, server }: ApiFailure): KayalError {
  const { group, version, resource: plural, namespace } = resource;
  const inGroup = group === '' ? plural : `${plural}.${group}`;
  const what = `${verb} ${inGroup}${name === undefined ? '' : ` ${name}`}`;
  const text = `${what} at ${server.url.origin} (${server.source}): HTTP ${status}${messageIn(body)}`;
  if (status === 401) return failedPrecondition(`${text}; its credentials are not valid, or not any more`);
  if (status === 403) {
    const kind = namespace === undefined ? 'ClusterRole' : `Role in namespace ${namespace}`;
    const rule = `apiGroups: ['${group}'], resources: [${plural}], verbs: [${verb}]`;
    return failedPrecondition(`${text}; it needs a ${kind} with the rule { ${rule} }`);
  }
  if (status === 404) {
    if (name !== undefined) return notFound(text);
    return failedPrecondition(`${text}; the cluster has no ${inGroup} of version ${version}`);
  }
  return status === 429 || status >= 500 ? unavailable(text) : invalidArgument(text);
}
