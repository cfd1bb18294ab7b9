import { beforeAll, describe, expect, it } from 'vitest';
import { parseCommandLine } from '../../src/cli/flags.js';
import { BUILD_TIMEOUT_MS, ensureHelm, ofKind, render } from './helm.js';
import { componentOf, container, workload, workloadsOf } from './pods.js';

beforeAll(ensureHelm, BUILD_TIMEOUT_MS);

const operator = { values: ['operator-values.yaml'] };

describe('the operator', () => {
  it('is off by default, and with it the definition of StoragePools and the directory of pools', async () => {
    const objects = await render({ values: ['gluster-values.yaml'] });
    expect(ofKind(objects, 'CustomResourceDefinition')).toEqual([]);
    expect(workloadsOf(objects).map(componentOf)).not.toContain('operator');
    expect(JSON.stringify(objects)).not.toContain('kayal-pools');
  });

  it('makes bricks of the image that everything else is of, and knows the Secret that controller and nodes have', async () => {
    const objects = await render(operator);
    const role = container(workload(objects, 'Deployment', 'operator'), 'kayal');
    expect(parseCommandLine(role?.args ?? [], {})).toMatchObject({
      kind: 'operator',
      settings: {
        namespace: 'kayal-system',
        poolsSecret: 'kayal-pools',
        image: role?.image,
        imagePullSecrets: ['registry', 'mirror'],
        priorityClassName: 'system-node-critical',
      },
    });
    for (const kind of ['Deployment', 'DaemonSet'] as const) {
      const one = workload(objects, kind);
      const { args, volumeMounts } = container(one, 'kayal') ?? { args: [], volumeMounts: [] };
      expect(args).toContain('--pools-dir=/etc/kayal-pools');
      expect(volumeMounts).toContainEqual({ name: 'pools', mountPath: '/etc/kayal-pools', readOnly: true });
      expect(one.spec.template.spec.volumes).toContainEqual({
        name: 'pools',
        secret: { secretName: 'kayal-pools', optional: true, defaultMode: 0o400 },
      });
    }
  });

  it('comes with the mounter and a controller that may mount, as its pools are mounted by GlusterFS clients', async () => {
    const objects = await render(operator);
    expect(workloadsOf(objects).map(componentOf)).toContain('mounter');
    expect(container(workload(objects, 'Deployment'), 'kayal')?.securityContext.privileged).toBe(true);
    expect(container(workload(objects, 'Deployment', 'operator'), 'kayal')?.securityContext).toMatchObject({
      runAsNonRoot: true,
      allowPrivilegeEscalation: false,
    });
  });

  it('is upgraded with its definition, which stays when the release goes', async () => {
    const [definition] = ofKind(await render(operator), 'CustomResourceDefinition');
    expect(definition).toMatchObject({
      metadata: { name: 'storagepools.kayal.storage', annotations: { 'helm.sh/resource-policy': 'keep' } },
      spec: { group: 'kayal.storage', scope: 'Cluster' },
    });
  });
});
