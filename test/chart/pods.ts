import * as v from 'valibot';
import type { KubernetesObject } from './helm.js';

const containerSchema = v.looseObject({
  name: v.string(),
  image: v.string(),
  args: v.array(v.string()),
  ports: v.optional(v.array(v.object({ name: v.string(), containerPort: v.number() })), []),
  securityContext: v.looseObject({
    privileged: v.optional(v.boolean(), false),
    runAsNonRoot: v.optional(v.boolean(), false),
    runAsUser: v.number(),
    allowPrivilegeEscalation: v.optional(v.boolean()),
    readOnlyRootFilesystem: v.boolean(),
    capabilities: v.optional(v.object({ drop: v.array(v.string()), add: v.optional(v.array(v.string()), []) })),
  }),
  resources: v.looseObject({ requests: v.record(v.string(), v.string()) }),
  volumeMounts: v.array(
    v.looseObject({ name: v.string(), mountPath: v.string(), mountPropagation: v.optional(v.string()) }),
  ),
});
export type Container = v.InferOutput<typeof containerSchema>;

const workloadSchema = v.looseObject({
  kind: v.string(),
  metadata: v.looseObject({ name: v.string() }),
  spec: v.looseObject({
    selector: v.object({ matchLabels: v.record(v.string(), v.string()) }),
    updateStrategy: v.optional(v.looseObject({ type: v.string() })),
    template: v.object({
      metadata: v.looseObject({ labels: v.record(v.string(), v.string()) }),
      spec: v.looseObject({
        serviceAccountName: v.string(),
        automountServiceAccountToken: v.optional(v.boolean()),
        hostPID: v.optional(v.boolean(), false),
        nodeSelector: v.record(v.string(), v.string()),
        affinity: v.optional(v.unknown()),
        containers: v.array(containerSchema),
        volumes: v.array(v.looseObject({ name: v.string() })),
      }),
    }),
  }),
});
export type Workload = v.InferOutput<typeof workloadSchema>;

/** @throws ValiError when an object lacks what every workload of the chart has */
export function workloadsOf(objects: readonly KubernetesObject[]): readonly Workload[] {
  return objects
    .filter(({ kind }) => kind === 'Deployment' || kind === 'DaemonSet')
    .map((object) => v.parse(workloadSchema, object));
}

export type Component = 'controller' | 'node' | 'mounter' | 'operator';

/** As its label says. */
export function componentOf({ spec }: Workload): string | undefined {
  return spec.template.metadata.labels['app.kubernetes.io/component'];
}

/** @throws Error when there is none of that kind; the node role is what DaemonSet means when nothing else is said */
export function workload(
  objects: readonly KubernetesObject[],
  kind: 'Deployment' | 'DaemonSet',
  component: Component = kind === 'Deployment' ? 'controller' : 'node',
): Workload {
  const found = workloadsOf(objects).find((one) => one.kind === kind && componentOf(one) === component);
  if (found === undefined) throw new Error(`there is no ${kind} ${component}`);
  return found;
}

/** The container of that name; `kayal` is the role itself, `mounter` the one that runs no role. */
export function container(of: Workload, name: string): Container | undefined {
  return of.spec.template.spec.containers.find((one) => one.name === name);
}
