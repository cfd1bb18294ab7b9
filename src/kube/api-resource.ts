/** A kind of object of the Kubernetes API. */
export interface ApiResource {
  /** The empty text for the core group. */
  readonly group: string;
  readonly version: string;
  /** The plural: persistentvolumes. */
  readonly resource: string;
  /** Only objects of this namespace; a cluster-wide list without it. */
  readonly namespace?: string | undefined;
}

/** `/api/v1/…` for the core group, `/apis/GROUP/VERSION/…` for the others (Kubernetes API concepts, "Resource URIs"). */
export function resourcePath({ group, version, resource, namespace }: ApiResource, name?: string): string {
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  const parts = [...(namespace === undefined ? [] : ['namespaces', namespace]), resource];
  if (name !== undefined) parts.push(name);
  return `${root}/${parts.map((part) => encodeURIComponent(part)).join('/')}`;
}
